/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The certificates of test signing, which Windows is made to trust when the user consents (/trust FOLDER).
 *
 * FOLDER\Root.cer goes to the computer's store Root, FOLDER\TrustedPublisher.cer to TrustedPublisher. What was in its
 * store before stays there for ever; what we put there is on record, and goes when the product goes:
 *
 *   HKLM\SOFTWARE\GPLPV\Trust   "<store> <SHA-1 of the certificate>"; written before the certificate is added
 */
#include "pvinstall.h"
#include <wincrypt.h>

#define TRUST_KEY L"SOFTWARE\\GPLPV\\Trust"
#define ROOT L"Root"
#define PUBLISHER L"TrustedPublisher"
#define MOST_BYTES 65536
#define SHA1_BYTES 20
#define SHA1_ROOM (SHA1_BYTES * 2 + 1)
#define NAME_ROOM 80

static HCERTSTORE store_open(const WCHAR *store)
{
    return CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, CERT_SYSTEM_STORE_LOCAL_MACHINE, store);
}

/* Closing commits, too, and does not say when it fails. */
static DWORD store_commit(HCERTSTORE opened)
{
    return CertControlStore(opened, 0, CERT_STORE_CTRL_COMMIT, NULL) ? ERROR_SUCCESS : GetLastError();
}

/* The caller's, or NULL with GetLastError. */
static PCCERT_CONTEXT certificate_read(const WCHAR *path)
{
    static BYTE data[MOST_BYTES];
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    DWORD bytes = 0;
    BOOL read;

    if (file == INVALID_HANDLE_VALUE)
        return NULL;
    read = ReadFile(file, data, sizeof(data), &bytes, NULL);
    CloseHandle(file);
    return read ? CertCreateCertificateContext(X509_ASN_ENCODING, data, bytes) : NULL;
}

static BOOL certificate_hash(PCCERT_CONTEXT certificate, BYTE *hash)
{
    DWORD bytes = SHA1_BYTES;

    return CertGetCertificateContextProperty(certificate, CERT_SHA1_HASH_PROP_ID, hash, &bytes) && bytes == SHA1_BYTES;
}

static void hash_to_text(const BYTE *hash, WCHAR *text)
{
    static const WCHAR digits[] = L"0123456789ABCDEF";
    DWORD i;

    for (i = 0; i < SHA1_BYTES; i++) {
        *text++ = digits[hash[i] >> 4];
        *text++ = digits[hash[i] & 15];
    }
    *text = 0;
}

static BOOL digit_value(WCHAR digit, BYTE *value)
{
    if (digit >= L'0' && digit <= L'9')
        *value = (BYTE)(digit - L'0');
    else if (digit >= L'A' && digit <= L'F')
        *value = (BYTE)(digit - L'A' + 10);
    else
        return FALSE;
    return TRUE;
}

static BOOL hash_from_text(const WCHAR *text, BYTE *hash)
{
    BYTE high, low;
    DWORD i;

    for (i = 0; i < SHA1_BYTES; i++) {
        if (!digit_value(text[2 * i], &high) || !digit_value(text[2 * i + 1], &low))
            return FALSE;
        hash[i] = (BYTE)(high << 4 | low);
    }
    return text[2 * SHA1_BYTES] == 0;
}

/* The caller's, or NULL. */
static PCCERT_CONTEXT certificate_find(HCERTSTORE opened, BYTE *hash)
{
    CRYPT_HASH_BLOB blob;

    blob.cbData = SHA1_BYTES;
    blob.pbData = hash;
    return CertFindCertificateInStore(opened, X509_ASN_ENCODING, 0, CERT_FIND_SHA1_HASH, &blob, NULL);
}

static DWORD record_add(const WCHAR *store, const WCHAR *text)
{
    WCHAR name[NAME_ROOM];
    HKEY key;
    DWORD error;

    text_format(name, COUNT_OF(name), L"%s %s", store, text);
    error = RegCreateKeyExW(HKEY_LOCAL_MACHINE, TRUST_KEY, 0, NULL, 0, KEY_SET_VALUE, NULL, &key, NULL);
    if (error)
        return error;
    error = RegSetValueExW(key, name, 0, REG_SZ, (const BYTE *)L"", sizeof(WCHAR));
    RegCloseKey(key);
    return error;
}

/* Deletes the key, too, with its last value. */
static void record_drop(const WCHAR *store, const WCHAR *text)
{
    WCHAR name[NAME_ROOM];
    DWORD values = 1;
    HKEY key;

    text_format(name, COUNT_OF(name), L"%s %s", store, text);
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, TRUST_KEY, 0, KEY_SET_VALUE | KEY_QUERY_VALUE, &key))
        return;
    RegDeleteValueW(key, name);
    RegQueryInfoKeyW(key, NULL, NULL, NULL, NULL, NULL, NULL, &values, NULL, NULL, NULL, NULL);
    RegCloseKey(key);
    if (values == 0)
        RegDeleteKeyW(HKEY_LOCAL_MACHINE, TRUST_KEY);
}

/* On record first, so that one that was added is never forgotten. */
static DWORD add_new(struct session *session, const WCHAR *store, HCERTSTORE opened, PCCERT_CONTEXT certificate)
{
    BYTE hash[SHA1_BYTES];
    WCHAR text[SHA1_ROOM];
    PCCERT_CONTEXT there;
    DWORD error;

    if (!certificate_hash(certificate, hash))
        return GetLastError();
    there = certificate_find(opened, hash);
    if (there) {
        CertFreeCertificateContext(there);
        step_detail(session, L"trusted already");
        return ERROR_SUCCESS;
    }
    hash_to_text(hash, text);
    error = record_add(store, text);
    if (!error)
        error = journal_mark(session, text);
    if (!error && !CertAddCertificateContextToStore(opened, certificate, CERT_STORE_ADD_NEW, NULL))
        error = GetLastError();
    if (!error)
        error = store_commit(opened);
    if (!error)
        step_detail(session, L"%s", text);
    return error;
}

static DWORD trust_add(struct session *session, const WCHAR *store)
{
    WCHAR path[MAX_PATH];
    PCCERT_CONTEXT certificate;
    HCERTSTORE opened;
    DWORD error;

    if (session->trust == NULL) {
        step_detail(session, L"not asked for");
        return ERROR_SUCCESS;
    }
    if (!text_format(path, COUNT_OF(path), L"%s\\%s.cer", session->trust, store))
        return ERROR_FILENAME_EXCED_RANGE;
    certificate = certificate_read(path);
    if (certificate == NULL)
        return GetLastError();
    opened = store_open(store);
    if (opened == NULL)
        error = GetLastError();
    else {
        error = add_new(session, store, opened, certificate);
        CertCloseStore(opened, 0);
    }
    CertFreeCertificateContext(certificate);
    return error;
}

static DWORD remove_one(const WCHAR *store, const WCHAR *text)
{
    BYTE hash[SHA1_BYTES];
    PCCERT_CONTEXT certificate;
    HCERTSTORE opened;
    DWORD error = ERROR_SUCCESS;

    if (!hash_from_text(text, hash))
        return ERROR_INVALID_DATA;
    opened = store_open(store);
    if (opened == NULL)
        return GetLastError();
    certificate = certificate_find(opened, hash);
    /* Deleting frees it, come what may. */
    if (certificate && !CertDeleteCertificateFromStore(certificate))
        error = GetLastError();
    if (!error)
        error = store_commit(opened);
    CertCloseStore(opened, 0);
    if (!error)
        record_drop(store, text);
    return error;
}

/* The hash of one certificate of the store that is on record, skipping some. */
static BOOL record_next(const WCHAR *store, DWORD skip, WCHAR *text)
{
    WCHAR name[NAME_ROOM], prefix[NAME_ROOM];
    DWORD i, length;
    BOOL found = FALSE;
    HKEY key;

    text_format(prefix, COUNT_OF(prefix), L"%s ", store);
    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, TRUST_KEY, 0, KEY_QUERY_VALUE, &key))
        return FALSE;
    for (i = 0; !found; i++) {
        length = COUNT_OF(name);
        if (RegEnumValueW(key, i, name, &length, NULL, NULL, NULL, NULL))
            break;
        if (text_starts(name, prefix) && skip-- == 0)
            found = text_copy(text, SHA1_ROOM, name + text_length(prefix));
    }
    RegCloseKey(key);
    return found;
}

/* Those on record; when the journal names one, that one. Goes on after an error and returns the first. */
static DWORD trust_remove(struct session *session, const WCHAR *store)
{
    WCHAR text[SHA1_ROOM];
    DWORD error, first_error = ERROR_SUCCESS, kept = 0;

    if (session->prior[0])
        return remove_one(store, session->prior);
    while (record_next(store, kept, text)) {
        error = remove_one(store, text);
        if (error)
            kept++;
        if (error && !first_error)
            first_error = error;
    }
    return first_error;
}

DWORD trust_add_root(struct session *session, const struct driver *driver)
{
    (void)driver;
    return trust_add(session, ROOT);
}

DWORD trust_remove_root(struct session *session, const struct driver *driver)
{
    (void)driver;
    return trust_remove(session, ROOT);
}

DWORD trust_add_publisher(struct session *session, const struct driver *driver)
{
    (void)driver;
    return trust_add(session, PUBLISHER);
}

DWORD trust_remove_publisher(struct session *session, const struct driver *driver)
{
    (void)driver;
    return trust_remove(session, PUBLISHER);
}
