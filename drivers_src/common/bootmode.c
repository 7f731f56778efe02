/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bootmode.h"
#include "registry.h"

#define CONTROL_KEY L"\\Registry\\Machine\\System\\CurrentControlSet\\Control"

static const struct {
    PCWSTR word;
    enum boot_mode mode;
} boot_words[] = {
    {L"SAFEBOOT", BOOT_MODE_SAFE},
    {L"NOGPLPV", BOOT_MODE_NOGPLPV},
    {L"GPLPV", BOOT_MODE_GPLPV},
};

static BOOLEAN is_between_words(WCHAR c)
{
    return c == L' ' || c == L'\t' || c == L'/';
}

/* An option may go on with a value, as SAFEBOOT:MINIMAL does: only its name counts. */
static BOOLEAN ends_name(WCHAR c)
{
    return c == 0 || c == L':' || c == L'=' || is_between_words(c);
}

static enum boot_mode mode_of_word(PCWSTR word, ULONG length)
{
    UNICODE_STRING found, known;
    ULONG i;

    found.Buffer = (PWSTR)word;
    found.Length = found.MaximumLength = (USHORT)(length * sizeof(WCHAR));
    for (i = 0; i < RTL_NUMBER_OF(boot_words); i++) {
        RtlInitUnicodeString(&known, boot_words[i].word);
        if (RtlEqualUnicodeString(&found, &known, TRUE))
            return boot_words[i].mode;
    }
    return BOOT_MODE_NORMAL;
}

enum boot_mode boot_mode_parse(PCWSTR options)
{
    enum boot_mode found = BOOT_MODE_NORMAL;

    while (*options != 0) {
        enum boot_mode mode;
        ULONG length = 0;

        while (is_between_words(*options))
            options++;
        while (!ends_name(options[length]))
            length++;
        mode = mode_of_word(options, length);
        if (mode > found)
            found = mode;
        options += length;
        while (*options != 0 && !is_between_words(*options))
            options++;
    }
    return found;
}

enum boot_mode boot_mode_query(VOID)
{
    enum boot_mode mode;
    PWSTR options;
    NTSTATUS status;

    status = registry_read_string(CONTROL_KEY, L"SystemStartOptions", &options);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
        return BOOT_MODE_NORMAL;
    if (!NT_SUCCESS(status))
        return BOOT_MODE_UNKNOWN;
    mode = boot_mode_parse(options);
    ExFreePool(options);
    return mode;
}
