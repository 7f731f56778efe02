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
__declspec(dllimport) void *memmove(void *To, const void *From, SIZE Length);
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

/* A function of its own, because clang takes calls alone for what may raise an exception in a __try. */
__declspec(noinline) static void Access(volatile long *Address, int Write)
{
    if (Write)
        *Address = 5;
    else
        Finished += *Address;
}

/* What a program gives may be gone by the time that it is looked at. */
static NTSTATUS Touch(volatile long *Address, int Write)
{
    __try {
        Access(Address, Write);
    } __except (1) {
        return (NTSTATUS)_exception_code();
    }
    return 0;
}

static NTSTATUS Copy(void *To, const void *From)
{
    __try {
        memmove(To, From, 64);
    } __except (1) {
        return (NTSTATUS)_exception_code();
    }
    return 0;
}

static NTSTATUS TouchAndCopy(void)
{
    char Here[64] = {0}, There[64] = {1};

    if (Touch((volatile long *)0x10000, 0) != STATUS_ACCESS_VIOLATION)
        return STATUS_UNSUCCESSFUL;
    if (Touch((volatile long *)0, 1) != STATUS_ACCESS_VIOLATION)
        return STATUS_UNSUCCESSFUL;
    if (Copy(Here, (void *)0x7000000) != STATUS_ACCESS_VIOLATION || Copy((void *)8, Here) != STATUS_ACCESS_VIOLATION)
        return STATUS_UNSUCCESSFUL;
    return Copy(Here, There) == 0 && Here[0] == 1 ? 0 : STATUS_UNSUCCESSFUL;
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
    if (Caught != STATUS_INSUFFICIENT_RESOURCES || Finished != 4)
        return STATUS_UNSUCCESSFUL;
    return TouchAndCopy();
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
