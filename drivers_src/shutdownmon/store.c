/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The requests of xenpci_ioctl.h on a handle for overlapped use, so that a stop can end one that waits.
 */
#include "store.h"
#include "shutdownmon.h"

/* Paths and values that are written here are short words of our own. */
#define REQUEST_ROOM 128

DWORD store_open(struct store *store, HANDLE stop)
{
    DWORD error;

    store->stop = stop;
    store->done = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (store->done == NULL)
        return GetLastError();
    store->device = CreateFileW(XENPCI_DEVICE, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    if (store->device != INVALID_HANDLE_VALUE)
        return ERROR_SUCCESS;
    error = GetLastError();
    CloseHandle(store->done);
    return error == ERROR_PATH_NOT_FOUND ? ERROR_FILE_NOT_FOUND : error;
}

void store_close(struct store *store)
{
    CloseHandle(store->device);
    CloseHandle(store->done);
}

/* Waits for the request; a stop cancels it. The buffers are the caller's again on return, in any case. */
static DWORD finish(struct store *store, OVERLAPPED *request, DWORD *length)
{
    HANDLE handles[2];

    handles[0] = store->stop;
    handles[1] = store->done;
    if (WaitForMultipleObjects(2, handles, FALSE, INFINITE) == WAIT_OBJECT_0)
        CancelIo(store->device);
    return GetOverlappedResult(store->device, request, length, TRUE) ? ERROR_SUCCESS : GetLastError();
}

static DWORD request(struct store *store, DWORD code, const void *in, DWORD in_bytes, void *out, DWORD out_bytes)
{
    OVERLAPPED overlapped;
    DWORD length;

    memset(&overlapped, 0, sizeof(overlapped));
    overlapped.hEvent = store->done;
    if (!DeviceIoControl(store->device, code, (void *)in, in_bytes, out, out_bytes, NULL, &overlapped) &&
        GetLastError() != ERROR_IO_PENDING)
        return GetLastError();
    return finish(store, &overlapped, &length);
}

static DWORD bytes_of(const char *text)
{
    return (DWORD)lstrlenA(text) + 1;
}

DWORD store_read(struct store *store, const char *path, char *value, DWORD room)
{
    return request(store, IOCTL_XENPCI_READ, path, bytes_of(path), value, room);
}

DWORD store_write(struct store *store, const char *path, const char *value)
{
    char both[REQUEST_ROOM];
    DWORD first = bytes_of(path), second = bytes_of(value);

    if (first + second > sizeof(both))
        return ERROR_INVALID_PARAMETER;
    memcpy(both, path, first);
    memcpy(both + first, value, second);
    return request(store, IOCTL_XENPCI_WRITE, both, first + second, NULL, 0);
}

DWORD store_watch(struct store *store, const char *path)
{
    return request(store, IOCTL_XENPCI_WATCH, path, bytes_of(path), NULL, 0);
}

DWORD store_wait(struct store *store)
{
    char path[XENPCI_USER_PATH_SIZE];

    return request(store, IOCTL_XENPCI_WAIT, NULL, 0, path, sizeof(path));
}
