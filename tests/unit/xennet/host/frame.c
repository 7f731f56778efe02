/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What xennet does to frames, for the tests: reads commands, a line each, and answers each with a line. Bytes are in
 * hexadecimal; every buffer is exactly as long as it says, so that an access beyond it is found.
 *
 *   parse LARGE AVAILABLE FRAME      version ip transport transport_length payload protocol
 *   fill FRAME                       the frame with IPv4's and the transport's checksums made
 *   parts HEAD CUT... FRAME          the same, from a head and the rest in parts of these lengths
 *   segments MSS FRAME               the segments of a large frame
 *   check FRAME                      whether IPv4's checksum is right
 *   filter WANT OWN GROUPS FRAME     whether the frame passes, and its kind of address
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "frame.h"

static UCHAR *take_hex(const char *text, ULONG *length)
{
    ULONG i;
    UCHAR *bytes;

    *length = text[0] == '-' ? 0 : (ULONG)strlen(text) / 2;
    bytes = malloc(*length + 1);
    bytes = realloc(bytes, *length ? *length : 1);
    for (i = 0; i < *length; i++) {
        unsigned value;

        sscanf(text + 2 * i, "%2x", &value);
        bytes[i] = (UCHAR)value;
    }
    return bytes;
}

static void put_hex(const UCHAR *bytes, ULONG length, char end)
{
    while (length-- > 0) {
        fprintf(stdout, "%02x", *bytes++);
    }
    fputc(end, stdout);
}

static void parse(char **words)
{
    struct xennet_headers headers;
    ULONG length, available = (ULONG)atoi(words[2]);
    UCHAR *frame = take_hex(words[3], &length), *head = malloc(available ? available : 1);

    memcpy(head, frame, available);
    xennet_parse(head, available, length, atoi(words[1]) != 0, &headers);
    fprintf(stdout, "%u %u %u %u %u %u\n", headers.version, headers.ip, headers.transport, headers.transport_length,
            headers.payload, headers.protocol);
    free(head);
    free(frame);
}

static void fill(char **words)
{
    struct xennet_headers headers;
    ULONG length;
    UCHAR *frame = take_hex(words[1], &length);

    xennet_parse(frame, length, length, FALSE, &headers);
    xennet_ip_sum_fill(frame, &headers);
    if (xennet_transport_sum(&headers) != 0) {
        xennet_frame_fill(frame, &headers);
    }
    put_hex(frame, length, '\n');
    free(frame);
}

static void fill_parts(char **words, int count)
{
    struct xennet_headers headers;
    struct xennet_sum sum = { 0, FALSE };
    ULONG length, head = (ULONG)atoi(words[1]), at = head, end;
    UCHAR *frame = take_hex(words[count - 1], &length);
    int i;

    xennet_parse(frame, head, length, FALSE, &headers);
    end = headers.transport + headers.transport_length;
    xennet_pseudo_fill(frame, &headers, headers.transport_length);
    for (i = 2; at < end; i++) {
        ULONG part = i < count - 1 ? (ULONG)atoi(words[i]) : end - at;

        part = min(part, end - at);
        xennet_sum_add(&sum, frame + at, part);
        at += part;
    }
    xennet_ip_sum_fill(frame, &headers);
    xennet_transport_fill(frame, head, &headers, &sum);
    put_hex(frame, length, '\n');
    free(frame);
}

static void segments(char **words)
{
    struct xennet_headers headers;
    ULONG length, mss = (ULONG)atoi(words[1]), offset = 0, total, size;
    UCHAR *frame = take_hex(words[2], &length);

    xennet_parse(frame, min(length, 256), length, TRUE, &headers);
    total = length - headers.payload;
    do {
        struct xennet_headers own = headers;
        UCHAR *segment;

        size = min(mss, total - offset);
        segment = malloc(headers.payload + size);
        memcpy(segment, frame, headers.payload);
        memcpy(segment + headers.payload, frame + headers.payload + offset, size);
        xennet_segment_head(segment, &headers, offset, size, total, mss);
        own.transport_length = headers.payload - headers.transport + size;
        xennet_frame_fill(segment, &own);
        offset += size;
        put_hex(segment, headers.payload + size, offset < total ? ' ' : '\n');
        free(segment);
    } while (offset < total);
    free(frame);
}

static void check(char **words)
{
    struct xennet_headers headers;
    ULONG length;
    UCHAR *frame = take_hex(words[1], &length);

    xennet_parse(frame, length, length, FALSE, &headers);
    fprintf(stdout, "%d\n", xennet_ip_sum_check(frame, &headers));
    free(frame);
}

static void filter(char **words)
{
    struct xennet_filter wanted;
    ULONG length, groups;
    UCHAR *own = take_hex(words[2], &length), *list = take_hex(words[3], &groups), *frame = take_hex(words[4], &length);

    wanted.want = (ULONG)atoi(words[1]);
    wanted.multicast_count = groups / XENNET_ADDRESS_LENGTH;
    memcpy(wanted.multicast, list, groups);
    fprintf(stdout, "%d %d\n", xennet_filter_passes(&wanted, own, frame), xennet_cast_of(frame));
    free(own);
    free(list);
    free(frame);
}

int main(void)
{
    static char line[200000];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *words[64];
        int count = 0;
        char *word;

        for (word = strtok(line, " \n"); word != NULL && count < 64; word = strtok(NULL, " \n")) {
            words[count++] = word;
        }
        if (strcmp(words[0], "parse") == 0) {
            parse(words);
        } else if (strcmp(words[0], "fill") == 0) {
            fill(words);
        } else if (strcmp(words[0], "parts") == 0) {
            fill_parts(words, count);
        } else if (strcmp(words[0], "segments") == 0) {
            segments(words);
        } else if (strcmp(words[0], "check") == 0) {
            check(words);
        } else {
            filter(words);
        }
    }
    return 0;
}
