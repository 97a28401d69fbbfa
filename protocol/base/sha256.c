#include "protocol/base/sha256.h"

#include <stdint.h>
#include <string.h>

/* The names are those of FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1 and 6.2. */

#define BLOCK_BYTES 64

struct state {
	uint32_t hash[8];
	unsigned char block[BLOCK_BYTES];
	size_t block_bytes; /* of the block that is not whole */
	uint64_t size_bytes;
};

static const uint32_t initial_hash[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
	0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint32_t constants[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
	0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
	0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
	0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
	0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
	0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value >> bits | value << (32 - bits);
}

static void expand(const unsigned char *block, uint32_t w[64])
{
	for (size_t t = 0; t < 16; t++)
		w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
			(uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
	for (size_t t = 16; t < 64; t++) {
		uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
		uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;

		w[t] = w[t - 16] + s0 + w[t - 7] + s1;
	}
}

/* a to h of the standard are v[0] to v[7] */
static void compress(uint32_t hash[8], const unsigned char *block)
{
	uint32_t w[64], v[8];

	expand(block, w);
	memcpy(v, hash, sizeof(v));
	for (size_t t = 0; t < 64; t++) {
		uint32_t sum1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + sum1 + choice + constants[t] + w[t];
		uint32_t sum0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + sum0 + majority;
	}
	for (size_t i = 0; i < 8; i++)
		hash[i] += v[i];
}

static void begin(struct state *state)
{
	*state = (struct state){.size_bytes = 0};
	memcpy(state->hash, initial_hash, sizeof(initial_hash));
}

static void put(struct state *state, const void *data, size_t size_bytes)
{
	const unsigned char *at = data;

	state->size_bytes += size_bytes;
	while (size_bytes > 0) {
		size_t room = BLOCK_BYTES - state->block_bytes;
		size_t part = size_bytes < room ? size_bytes : room;

		memcpy(state->block + state->block_bytes, at, part);
		state->block_bytes += part;
		at += part;
		size_bytes -= part;
		if (state->block_bytes < BLOCK_BYTES)
			return;
		compress(state->hash, state->block);
		state->block_bytes = 0;
	}
}

static void end(struct state *state, unsigned char ret[SHA256_BYTES])
{
	static const unsigned char padding[BLOCK_BYTES] = {0x80};
	uint64_t size_bits = state->size_bytes * 8;
	unsigned char length[8];

	put(state, padding, 1 + (BLOCK_BYTES + BLOCK_BYTES - 9 - state->block_bytes) % BLOCK_BYTES);
	for (size_t i = 0; i < 8; i++)
		length[i] = (unsigned char)(size_bits >> (56 - 8 * i));
	put(state, length, sizeof(length));
	for (size_t i = 0; i < SHA256_BYTES; i++)
		ret[i] = (unsigned char)(state->hash[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256(const void *data, size_t size_bytes, unsigned char ret[SHA256_BYTES])
{
	struct state state;

	begin(&state);
	put(&state, data, size_bytes);
	end(&state, ret);
}

void sha256_hmac(const void *key, size_t key_bytes, const void *data, size_t size_bytes,
	unsigned char ret[SHA256_BYTES])
{
	unsigned char inner[BLOCK_BYTES] = {0}, outer[BLOCK_BYTES];
	struct state state;

	if (key_bytes > BLOCK_BYTES)
		sha256(key, key_bytes, inner);
	else
		memcpy(inner, key, key_bytes);
	for (size_t i = 0; i < BLOCK_BYTES; i++) {
		outer[i] = inner[i] ^ 0x5c;
		inner[i] ^= 0x36;
	}
	begin(&state);
	put(&state, inner, BLOCK_BYTES);
	put(&state, data, size_bytes);
	end(&state, ret);
	begin(&state);
	put(&state, outer, BLOCK_BYTES);
	put(&state, ret, SHA256_BYTES);
	end(&state, ret);
}
