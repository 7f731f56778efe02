/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the vendor's compiler makes calls to the kernel of: a __try round probes of bad addresses, with a __finally inside
 * and a filter that passes another exception on; and 64-bit arithmetic.
 */
typedef long NTSTATUS;
#define STATUS_ACCESS_VIOLATION ((NTSTATUS)0xC0000005)
#define STATUS_DATATYPE_MISALIGNMENT ((NTSTATUS)0x80000002)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)

#ifdef _M_IX86
typedef unsigned int SIZE;
#else
typedef unsigned long long SIZE;
#endif

__declspec(dllimport) void __stdcall ProbeForRead(const void *Address, SIZE Length, unsigned long Alignment);
__declspec(dllimport) void __stdcall ProbeForWrite(void *Address, SIZE Length, unsigned long Alignment);
__declspec(dllimport) void __stdcall ExRaiseStatus(NTSTATUS Status);
unsigned long _exception_code(void);

static volatile long Finished;

static NTSTATUS Probe(void *Address, int Write)
{
    __try {
        __try {
            if (Write)
                ProbeForWrite(Address, 16, 4);
            else
                ProbeForRead(Address, 16, 4);
        } __finally {
            Finished++;
        }
    } __except (1) {
        return (NTSTATUS)_exception_code();
    }
    return 0;
}

static void Raise(NTSTATUS Status)
{
    __try {
        ExRaiseStatus(Status);
    } __except ((NTSTATUS)_exception_code() == STATUS_ACCESS_VIOLATION) {
        Finished += 100;
    }
}

NTSTATUS __stdcall PlatTryExceptions(void)
{
    NTSTATUS Caught = 0;

    Finished = 0;
    if (Probe((void *)0x10000, 0) != 0 || Finished != 1)
        return STATUS_UNSUCCESSFUL;
    if (Probe((void *)0x10001, 0) != STATUS_DATATYPE_MISALIGNMENT || Finished != 2)
        return STATUS_UNSUCCESSFUL;
    if (Probe((void *)(SIZE)-4096, 0) != STATUS_ACCESS_VIOLATION || Finished != 3)
        return STATUS_UNSUCCESSFUL;
    if (Probe((void *)0x10000, 1) != STATUS_ACCESS_VIOLATION || Finished != 4)
        return STATUS_UNSUCCESSFUL;
    __try {
        Raise(STATUS_INSUFFICIENT_RESOURCES);
    } __except (1) {
        Caught = (NTSTATUS)_exception_code();
    }
    return Caught == STATUS_INSUFFICIENT_RESOURCES && Finished == 4 ? 0 : STATUS_UNSUCCESSFUL;
}

static volatile long long Large = -1234567890123LL;
static volatile int Count = 8;

NTSTATUS __stdcall PlatTryArithmetic(void)
{
    volatile long long Divisor = 1000;
    volatile unsigned long long Seven = 7;

    if (Large / Divisor != -1234567890LL || Large % Divisor != -123 || Large * Divisor != -1234567890123000LL)
        return STATUS_UNSUCCESSFUL;
    if (Large >> Count != -4822530821LL || Large << Count != -316049379871488LL)
        return STATUS_UNSUCCESSFUL;
    if ((unsigned long long)Large / Seven != 2635248977020237356ULL || (unsigned long long)Large % Seven != 1)
        return STATUS_UNSUCCESSFUL;
    return (unsigned long long)Large >> Count == 72057589215397115ULL ? 0 : STATUS_UNSUCCESSFUL;
}
