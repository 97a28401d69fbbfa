#pragma once

#include <stddef.h>

#define SHA256_BYTES 32

/** Digest of FIPS 180-4. Any thread. */
void sha256(const void *data, size_t size_bytes, unsigned char ret[SHA256_BYTES]);

/** Message authentication code of RFC 2104 with SHA-256. */
void sha256_hmac(const void *key, size_t key_bytes, const void *data, size_t size_bytes,
	unsigned char ret[SHA256_BYTES]);
