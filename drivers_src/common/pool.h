/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tag on all our pool memory and remove locks: "GPLV" in a debugger's pool listing.
 */
#ifndef GPLPV_POOL_H
#define GPLPV_POOL_H

#define GPLPV_POOL_TAG ((ULONG)0x564C5047)

#endif
