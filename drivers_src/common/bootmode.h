/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the person at the boot menu asked for.
 */
#ifndef GPLPV_BOOTMODE_H
#define GPLPV_BOOTMODE_H

#include <ntddk.h>

/* Of several words the later of these counts. */
enum boot_mode {
    BOOT_MODE_NORMAL,
    BOOT_MODE_GPLPV,   /* /GPLPV, which an administrator may demand (see pvmode.h) */
    BOOT_MODE_NOGPLPV, /* /NOGPLPV in boot.ini, or in a boot entry's loadoptions */
    BOOT_MODE_SAFE,    /* safe mode in any form, directory services restore included */
    BOOT_MODE_UNKNOWN  /* the options could not be read: treat as safe mode */
};

/* How this Windows was started, from the SystemStartOptions registry value.  PASSIVE_LEVEL. */
enum boot_mode boot_mode_query(VOID);

/* The same from the options' text: words with blanks between, a slash before a word allowed.  PASSIVE_LEVEL. */
enum boot_mode boot_mode_parse(PCWSTR options);

#endif
