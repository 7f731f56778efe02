/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the lab's tests of sections run: one function of a table a case, as in cases.c.
 */
#include <ntifs.h>

#define CASE(name) static ULONG_PTR NTAPI name(ULONG_PTR argument)
#define KERNEL OBJ_KERNEL_HANDLE
#define SIZE (0x10000 + PAGE_SIZE + 1)
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return __LINE__;                                                                                           \
    } while (0)

DRIVER_INITIALIZE DriverEntry;

NTKERNELAPI NTSTATUS NTAPI MmMapViewInSystemSpace(PVOID section, PVOID *base, PSIZE_T size);
NTKERNELAPI NTSTATUS NTAPI MmUnmapViewInSystemSpace(PVOID base);

static NTSTATUS make(PHANDLE section, ULONG protection, ULONGLONG size, HANDLE file)
{
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER maximum;

    maximum.QuadPart = (LONGLONG)size;
    InitializeObjectAttributes(&attributes, NULL, KERNEL, NULL, NULL);
    return ZwCreateSection(section, SECTION_MAP_READ | SECTION_MAP_WRITE, &attributes, size ? &maximum : NULL,
                           protection, SEC_COMMIT, file);
}

static NTSTATUS show(HANDLE section, PUCHAR *view, PSIZE_T size, LONGLONG offset, ULONG protection)
{
    LARGE_INTEGER start;
    PVOID base = *view;
    NTSTATUS status;

    start.QuadPart = offset;
    status = ZwMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, &start, size, ViewUnmap, 0, protection);
    if (NT_SUCCESS(status) && start.QuadPart != (offset & ~0xFFFFLL))
        return STATUS_UNSUCCESSFUL;
    *view = base;
    return status;
}

/* Two views of a process and one of the system show the same bytes, which are zeros to begin with. */
CASE(views_share)
{
    HANDLE section;
    PUCHAR first = NULL, second = NULL;
    PVOID object, third = NULL;
    SIZE_T size = 0, rest = 0, whole = 0;

    REQUIRE(make(&section, PAGE_READWRITE, SIZE, NULL) == STATUS_SUCCESS);
    REQUIRE(show(section, &first, &size, 0, PAGE_READWRITE) == STATUS_SUCCESS && size == 0x10000 + 2 * PAGE_SIZE);
    REQUIRE(show(section, &second, &rest, 0x20000, PAGE_READONLY) == STATUS_INVALID_VIEW_SIZE);
    rest = 0;
    REQUIRE(show(section, &second, &rest, 0x10001, PAGE_READONLY) == STATUS_SUCCESS && rest == 2 * PAGE_SIZE);
    REQUIRE(((ULONG_PTR)first & 0xFFFF) == 0 && (PVOID)first < MmSystemRangeStart && second != first);
    REQUIRE(first[0] == 0 && first[size - 1] == 0);
    ProbeForWrite(first, size, 1);
    first[0x10000 + PAGE_SIZE] = (UCHAR)argument;
    REQUIRE(second[PAGE_SIZE] == (UCHAR)argument);
    REQUIRE(ObReferenceObjectByHandle(section, SECTION_MAP_READ, NULL, KernelMode, &object, NULL) == STATUS_SUCCESS);
    REQUIRE(ZwClose(section) == STATUS_SUCCESS);
    REQUIRE(MmMapViewInSystemSpace(object, &third, &whole) == STATUS_SUCCESS && whole == size);
    ObDereferenceObject(object);
    REQUIRE(third > MmSystemRangeStart && ((PUCHAR)third)[0x10000 + PAGE_SIZE] == (UCHAR)argument);
    REQUIRE(ZwUnmapViewOfSection(NtCurrentProcess(), first + 5) == STATUS_SUCCESS);
    REQUIRE(ZwUnmapViewOfSection(NtCurrentProcess(), first) == STATUS_NOT_MAPPED_VIEW);
    REQUIRE(ZwUnmapViewOfSection(NtCurrentProcess(), third) == STATUS_NOT_MAPPED_VIEW);
    REQUIRE(MmUnmapViewInSystemSpace(second) == STATUS_NOT_MAPPED_VIEW);
    REQUIRE(ZwUnmapViewOfSection(NtCurrentProcess(), second) == STATUS_SUCCESS);
    REQUIRE(MmUnmapViewInSystemSpace(third) == STATUS_SUCCESS);
    return 0;
}

CASE(refusals)
{
    HANDLE section, again;
    PUCHAR view = NULL, other;
    SIZE_T size = 0;

    REQUIRE(make(&section, 3, SIZE, NULL) == STATUS_INVALID_PAGE_PROTECTION);
    REQUIRE(make(&section, PAGE_READWRITE, 0, NULL) == STATUS_INVALID_PARAMETER_4);
    REQUIRE(make(&section, PAGE_READWRITE, SIZE, (HANDLE)0x7777) == STATUS_INVALID_HANDLE);
    REQUIRE(make(&section, PAGE_READONLY, SIZE, NULL) == STATUS_SUCCESS);
    REQUIRE(make(&again, PAGE_READWRITE, SIZE, section) == STATUS_INVALID_FILE_FOR_SECTION);
    REQUIRE(show(section, &view, &size, 0, PAGE_READWRITE) == STATUS_SECTION_PROTECTION);
    REQUIRE(show((HANDLE)0x7777, &view, &size, 0, PAGE_READONLY) == STATUS_INVALID_HANDLE);
    REQUIRE(show(section, &view, &size, 0, PAGE_READONLY) == STATUS_SUCCESS);
    other = view + 0x10000;
    size = PAGE_SIZE;
    REQUIRE(show(section, &other, &size, 0, PAGE_READONLY) == STATUS_CONFLICTING_ADDRESSES);
    other = (PUCHAR)0x30000001;
    REQUIRE(show(section, &other, &size, 0, PAGE_READONLY) == STATUS_SUCCESS && other == (PUCHAR)0x30000000);
    REQUIRE(ZwUnmapViewOfSection(section, other) == STATUS_OBJECT_TYPE_MISMATCH);
    REQUIRE(ZwUnmapViewOfSection(NtCurrentProcess(), other) == STATUS_SUCCESS);
    REQUIRE(ZwUnmapViewOfSection(NtCurrentProcess(), view) == STATUS_SUCCESS);
    ZwClose(section);
    return argument;
}

static NTSTATUS named(PHANDLE section, PCWSTR text, BOOLEAN create, ACCESS_MASK access)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    LARGE_INTEGER maximum;

    maximum.QuadPart = PAGE_SIZE;
    RtlInitUnicodeString(&name, text);
    InitializeObjectAttributes(&attributes, &name, KERNEL | OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (!create)
        return ZwOpenSection(section, access, &attributes);
    return ZwCreateSection(section, access, &attributes, &maximum, PAGE_READWRITE, SEC_COMMIT, NULL);
}

/* A handle's access limits its views; the name goes with the last handle. */
CASE(names)
{
    HANDLE section, reader, again;
    PUCHAR view = NULL;
    SIZE_T size = 0;

    REQUIRE(named(&section, L"\\BaseNamedObjects\\Shared", TRUE, SECTION_ALL_ACCESS) == STATUS_SUCCESS);
    REQUIRE(named(&again, L"\\BaseNamedObjects\\shared", TRUE, SECTION_ALL_ACCESS) == STATUS_OBJECT_NAME_COLLISION);
    REQUIRE(named(&again, L"\\BaseNamedObjects\\Other", FALSE, SECTION_MAP_READ) == STATUS_OBJECT_NAME_NOT_FOUND);
    REQUIRE(named(&reader, L"\\BaseNamedObjects\\Shared", FALSE, SECTION_MAP_READ) == STATUS_SUCCESS);
    REQUIRE(show(reader, &view, &size, 0, PAGE_READWRITE) == STATUS_ACCESS_DENIED);
    REQUIRE(show(reader, &view, &size, 0, PAGE_READONLY) == STATUS_SUCCESS);
    REQUIRE(ZwUnmapViewOfSection(NtCurrentProcess(), view) == STATUS_SUCCESS);
    ZwClose(reader);
    ZwClose(section);
    REQUIRE(named(&again, L"\\BaseNamedObjects\\Shared", FALSE, SECTION_MAP_READ) == STATUS_OBJECT_NAME_NOT_FOUND);
    return argument;
}

/* The file is `hello`, and is `jello` and three zeros afterwards. */
CASE(of_a_file)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    IO_STATUS_BLOCK block;
    HANDLE file, section;
    PUCHAR view = NULL;
    SIZE_T size = 0;

    RtlInitUnicodeString(&name, L"\\SystemRoot\\temp\\hello.bin");
    InitializeObjectAttributes(&attributes, &name, KERNEL, NULL, NULL);
    REQUIRE(ZwOpenFile(&file, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, &attributes, &block, 0,
                       FILE_SYNCHRONOUS_IO_NONALERT) == STATUS_SUCCESS);
    if (argument != 0) {
        REQUIRE(make(&section, PAGE_READONLY, 0, file) == STATUS_MAPPED_FILE_SIZE_ZERO);
        ZwClose(file);
        return 0;
    }
    REQUIRE(make(&section, PAGE_READONLY, 8, file) == STATUS_SECTION_TOO_BIG);
    REQUIRE(make(&section, PAGE_READWRITE, 8, file) == STATUS_SUCCESS);
    ZwClose(file);
    REQUIRE(show(section, &view, &size, 0, PAGE_READWRITE) == STATUS_SUCCESS);
    ZwClose(section);
    REQUIRE(view[0] == 'h' && view[4] == 'o' && view[5] == 0);
    view[0] = 'j';
    return ZwUnmapViewOfSection(NtCurrentProcess(), view) == STATUS_SUCCESS ? 0 : __LINE__;
}

CASE(for_want_of_memory)
{
    HANDLE section;
    PUCHAR view = NULL;
    SIZE_T size = 0;
    NTSTATUS status = make(&section, PAGE_READWRITE, SIZE, NULL);

    if (!NT_SUCCESS(status))
        return (ULONG)status;
    status = show(section, &view, &size, 0, PAGE_READWRITE);
    if (NT_SUCCESS(status))
        ZwUnmapViewOfSection(NtCurrentProcess(), view);
    ZwClose(section);
    return (ULONG)status + argument;
}

/* What is mapped and stays so: the view's address. */
CASE(maps_and_leaves)
{
    HANDLE section;
    PUCHAR view = NULL;
    SIZE_T size = 0;

    make(&section, PAGE_READWRITE, SIZE, NULL);
    show(section, &view, &size, 0, argument != 0 ? PAGE_READONLY : PAGE_READWRITE); /* LEFT MAPPED */
    ZwClose(section);
    return (ULONG_PTR)view;
}

CASE(touches_at_dispatch)
{
    KIRQL old;

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    *(volatile UCHAR *)argument = 1; /* VIEW AT DISPATCH */
    KeLowerIrql(old);
    return 0;
}

CASE(writes)
{
    *(volatile UCHAR *)argument = 1; /* WRITES VIEW */
    return 0;
}

CASE(unmaps_locked)
{
    PMDL mdl = IoAllocateMdl((PVOID)argument, PAGE_SIZE, FALSE, FALSE, NULL);

    MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess);
    ZwUnmapViewOfSection(NtCurrentProcess(), (PVOID)argument); /* LOCKED VIEW */
    return 0;
}

#define ENTRY(name) {#name, (PVOID)(ULONG_PTR)name}

static const struct case_entry {
    const char *name;
    PVOID function;
} cases[] = {
    ENTRY(views_share),
    ENTRY(refusals),
    ENTRY(names),
    ENTRY(of_a_file),
    ENTRY(for_want_of_memory),
    ENTRY(maps_and_leaves),
    ENTRY(touches_at_dispatch),
    ENTRY(writes),
    ENTRY(unmaps_locked),
    {NULL, NULL},
};

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    *(const struct case_entry **)driver->DeviceObject = cases;
    return STATUS_SUCCESS;
}
