/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver that imports what the lab lacks, and what no Windows has.
 */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
NTKERNELAPI NTSTATUS NTAPI IoBrewCoffee(ULONG Cups);

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    LARGE_INTEGER Cookie;

    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    CmRegisterCallback(NULL, NULL, &Cookie);
    return IoBrewCoffee(2);
}
