/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One import of each kind: stdcall, fastcall, cdecl, data, and what x86 takes from the HAL but x64 from the kernel. */

#define IMPORT __declspec(dllimport)

typedef unsigned long ULONG;
typedef unsigned char KIRQL;
typedef void *PVOID;

#ifdef __i386__
#define STDCALL __attribute__((stdcall))
#define FASTCALL __attribute__((fastcall))
IMPORT KIRQL FASTCALL KfAcquireSpinLock(PVOID lock);
IMPORT void FASTCALL KfReleaseSpinLock(PVOID lock, KIRQL irql);
#define Acquire KfAcquireSpinLock
#define Release KfReleaseSpinLock
#else
#define STDCALL
#define FASTCALL
IMPORT KIRQL KeAcquireSpinLockRaiseToDpc(PVOID lock);
IMPORT void KeReleaseSpinLock(PVOID lock, KIRQL irql);
#define Acquire KeAcquireSpinLockRaiseToDpc
#define Release KeReleaseSpinLock
#endif

IMPORT extern PVOID MmHighestUserAddress;
IMPORT ULONG DbgPrint(const char *format, ...);
IMPORT long STDCALL IoCreateSymbolicLink(PVOID link, PVOID device);
IMPORT long FASTCALL IofCallDriver(PVOID device, PVOID irp);
IMPORT void STDCALL KeStallExecutionProcessor(ULONG microseconds);

long Main(PVOID driver, PVOID path);

long Main(PVOID driver, PVOID path)
{
    KIRQL irql = Acquire(driver);

    KeStallExecutionProcessor(1);
    Release(driver, irql);
    DbgPrint("%p", MmHighestUserAddress);
    return IoCreateSymbolicLink(driver, path) + IofCallDriver(driver, path);
}
