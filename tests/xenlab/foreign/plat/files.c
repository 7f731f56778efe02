/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A log file, and the run-time library's bits, tables, texts and times.
 */
#include "plat.h"
#include <stdlib.h>

static NTSTATUS Open(PCWSTR Path, ACCESS_MASK Access, ULONG Disposition, PHANDLE File)
{
    UNICODE_STRING Name;
    OBJECT_ATTRIBUTES Attributes;
    IO_STATUS_BLOCK Result;

    RtlInitUnicodeString(&Name, Path);
    InitializeObjectAttributes(&Attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwCreateFile(File, Access | SYNCHRONIZE, &Attributes, &Result, NULL, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ,
                        Disposition, FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE, NULL, 0);
}

NTSTATUS PlatFilesExercise(VOID)
{
    static const WCHAR Path[] = L"\\SystemRoot\\Temp\\plat.log";
    FILE_STANDARD_INFORMATION Standard;
    FILE_DISPOSITION_INFORMATION Disposition;
    FILE_POSITION_INFORMATION Position;
    IO_STATUS_BLOCK Result;
    CHAR Text[32];
    HANDLE File, Other;

    PLAT_REQUIRE(Open(Path, GENERIC_READ, FILE_OPEN, &File) == STATUS_OBJECT_NAME_NOT_FOUND);
    PLAT_REQUIRE(NT_SUCCESS(Open(Path, GENERIC_WRITE, FILE_OVERWRITE_IF, &File)));
    PLAT_REQUIRE(NT_SUCCESS(ZwWriteFile(File, NULL, NULL, NULL, &Result, "one line\r\n", 10, NULL, NULL)));
    PLAT_REQUIRE(NT_SUCCESS(ZwWriteFile(File, NULL, NULL, NULL, &Result, "another\r\n", 9, NULL, NULL)));
    PLAT_REQUIRE(Result.Information == 9);
    PLAT_REQUIRE(Open(Path, GENERIC_WRITE, FILE_OPEN, &Other) == STATUS_SHARING_VIOLATION);
    ZwClose(File);
    PLAT_REQUIRE(NT_SUCCESS(Open(Path, GENERIC_READ | DELETE, FILE_OPEN, &File)));
    PLAT_REQUIRE(NT_SUCCESS(
        ZwQueryInformationFile(File, &Result, &Standard, sizeof(Standard), FileStandardInformation)));
    PLAT_REQUIRE(Standard.EndOfFile.QuadPart == 19 && !Standard.Directory);
    Position.CurrentByteOffset.QuadPart = 10;
    PLAT_REQUIRE(NT_SUCCESS(
        ZwSetInformationFile(File, &Result, &Position, sizeof(Position), FilePositionInformation)));
    PLAT_REQUIRE(NT_SUCCESS(ZwReadFile(File, NULL, NULL, NULL, &Result, Text, sizeof(Text), NULL, NULL)));
    PLAT_REQUIRE(Result.Information == 9 && RtlCompareMemory(Text, "another\r\n", 9) == 9);
    PLAT_REQUIRE(ZwReadFile(File, NULL, NULL, NULL, &Result, Text, 1, NULL, NULL) == STATUS_END_OF_FILE);
    Disposition.DeleteFile = TRUE;
    PLAT_REQUIRE(NT_SUCCESS(
        ZwSetInformationFile(File, &Result, &Disposition, sizeof(Disposition), FileDispositionInformation)));
    ZwClose(File);
    PLAT_REQUIRE(Open(Path, GENERIC_READ, FILE_OPEN, &File) == STATUS_OBJECT_NAME_NOT_FOUND);
    return STATUS_SUCCESS;
}

static NTSTATUS TryBitmap(VOID)
{
    RTL_BITMAP Bitmap;
    ULONG Bits[4];

    RtlInitializeBitMap(&Bitmap, Bits, 100);
    RtlClearAllBits(&Bitmap);
    PLAT_REQUIRE(RtlFindClearBitsAndSet(&Bitmap, 10, 0) == 0);
    PLAT_REQUIRE(RtlFindClearBitsAndSet(&Bitmap, 30, 50) == 50);
    PLAT_REQUIRE(RtlFindClearBits(&Bitmap, 41, 0) == 0xFFFFFFFF);
    PLAT_REQUIRE(RtlNumberOfSetBits(&Bitmap) == 40 && RtlAreBitsSet(&Bitmap, 50, 30));
    RtlClearBits(&Bitmap, 0, 10);
    PLAT_REQUIRE(RtlAreBitsClear(&Bitmap, 0, 50) && !RtlCheckBit(&Bitmap, 80));
    return STATUS_SUCCESS;
}

static int __cdecl Ascending(const void *First, const void *Second)
{
    return *(const LONG *)First - *(const LONG *)Second;
}

static RTL_GENERIC_COMPARE_RESULTS NTAPI Compare(PRTL_GENERIC_TABLE Table, PVOID First, PVOID Second)
{
    LONG Difference = *(PLONG)First - *(PLONG)Second;

    UNREFERENCED_PARAMETER(Table);
    return Difference < 0 ? GenericLessThan : Difference > 0 ? GenericGreaterThan : GenericEqual;
}

static PVOID NTAPI Allocate(PRTL_GENERIC_TABLE Table, CLONG Size)
{
    UNREFERENCED_PARAMETER(Table);
    return ExAllocatePoolWithTag(PagedPool, Size, PLAT_TAG);
}

static VOID NTAPI Free(PRTL_GENERIC_TABLE Table, PVOID Buffer)
{
    UNREFERENCED_PARAMETER(Table);
    ExFreePoolWithTag(Buffer, PLAT_TAG);
}

static NTSTATUS TryTables(VOID)
{
    LONG Numbers[6] = {5, -3, 9, 0, 7, 2};
    RTL_GENERIC_TABLE Table;
    ULONG Index;
    PLONG Found;

    RtlInitializeGenericTable(&Table, Compare, Allocate, Free, NULL);
    for (Index = 0; Index < 6; Index++)
        PLAT_REQUIRE(RtlInsertElementGenericTable(&Table, &Numbers[Index], sizeof(LONG), NULL) != NULL);
    PLAT_REQUIRE(RtlNumberGenericTableElements(&Table) == 6);
    qsort(Numbers, 6, sizeof(LONG), Ascending);
    PLAT_REQUIRE(Numbers[0] == -3 && Numbers[5] == 9);
    for (Index = 0; Index < 6; Index++)
        PLAT_REQUIRE(*(PLONG)RtlGetElementGenericTable(&Table, Index) == Numbers[Index]);
    PLAT_REQUIRE(RtlDeleteElementGenericTable(&Table, &Numbers[2]));
    PLAT_REQUIRE(RtlLookupElementGenericTable(&Table, &Numbers[2]) == NULL);
    while ((Found = RtlGetElementGenericTable(&Table, 0)) != NULL)
        PLAT_REQUIRE(RtlDeleteElementGenericTable(&Table, Found));
    PLAT_REQUIRE(RtlIsGenericTableEmpty(&Table));
    return STATUS_SUCCESS;
}

NTSTATUS PlatTextExercise(VOID)
{
    LARGE_INTEGER Time;
    WCHAR Wide[40];
    CHAR Narrow[40];
    ANSI_STRING Ansi, Upper;
    UNICODE_STRING Text;
    ULONG Seconds = 0, Size;

    RtlSecondsSince1970ToTime(1000000000, &Time);
    PLAT_REQUIRE(RtlTimeToSecondsSince1970(&Time, &Seconds) && Seconds == 1000000000);
    PLAT_REQUIRE(NT_SUCCESS(RtlMultiByteToUnicodeN(Wide, sizeof(Wide), &Size, "vif/0", 5)) && Size == 10);
    PLAT_REQUIRE(NT_SUCCESS(RtlUnicodeToMultiByteN(Narrow, sizeof(Narrow), &Size, Wide, 10)) && Size == 5);
    PLAT_REQUIRE(RtlCompareMemory(Narrow, "vif/0", 5) == 5);
    RtlInitAnsiString(&Ansi, "upper");
    Upper.Buffer = Narrow;
    Upper.Length = 0;
    Upper.MaximumLength = sizeof(Narrow);
    RtlUpperString(&Upper, &Ansi);
    PLAT_REQUIRE(Upper.Length == 5 && RtlCompareMemory(Narrow, "UPPER", 5) == 5);
    PLAT_REQUIRE(strcmp(_itoa(-255, Narrow, 10), "-255") == 0 && strcmp(_itoa(255, Narrow, 16), "ff") == 0);
    Text.Buffer = Wide;
    Text.Length = 0;
    Text.MaximumLength = sizeof(Wide);
    PLAT_REQUIRE(NT_SUCCESS(RtlInt64ToUnicodeString(0x123456789AULL, 16, &Text)));
    PLAT_REQUIRE(Text.Length == 20 && _wcsicmp(Wide, L"123456789a") == 0);
    if (!NT_SUCCESS(TryBitmap()))
        return STATUS_UNSUCCESSFUL;
    return TryTables();
}
