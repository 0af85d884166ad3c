/* 128-bit digests: a chained one over bytes in order, and a keyed 64-bit hash for sums that do not depend on order.

   They find divergence and damage (a wrong replay, a torn or stale block); they are not cryptographic. What must withstand an
   attacker (segment roots) is signed over SHA-256 by the signer.

   Owner:      the caller; no state beyond the arguments.
   Result:     depends on the bytes alone: equal on every compiler, optimisation level and little-endian machine.
   Calls:      no system call, no allocation: may be used in the loop.
   Pinned by:  tests/unit/test_base.c (golden values). */
#ifndef WCX_BASE_DIGEST_H
#define WCX_BASE_DIGEST_H

#include "engine/base/int128.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct wcx_digest
{
  uint64_t lo;
  uint64_t hi;
} wcx_digest_t;

static inline uint64_t wcx_digest_load64(const uint8_t *at)
{
  uint64_t value;
  memcpy(&value, at, sizeof(value));
  return value;
}

/* Multiply to 128 bits and fold: the one mixing step of this file. */
static inline uint64_t wcx_digest_fold(uint64_t a, uint64_t b)
{
  wcx_u128_t product = (wcx_u128_t)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#define WCX_DIGEST_K0 0xa0761d6478bd642fu
#define WCX_DIGEST_K1 0xe7037ed1a0b428dbu
#define WCX_DIGEST_K2 0x8ebc6af09c88c6e3u
#define WCX_DIGEST_K3 0x589965cc75374cc3u

/* A digest under way: two 64-bit lanes. begin, a step for each whole 16 bytes, then end with what is left of them. */
typedef struct wcx_digest_run
{
  uint64_t a;
  uint64_t b;
} wcx_digest_run_t;

static inline wcx_digest_run_t wcx_digest_begin(const wcx_digest_t *chain)
{
  return (wcx_digest_run_t){.a = chain->lo ^ WCX_DIGEST_K0, .b = chain->hi ^ WCX_DIGEST_K1};
}

static inline void wcx_digest_step(wcx_digest_run_t *run, uint64_t x, uint64_t y)
{
  run->a = wcx_digest_fold(x ^ run->a, y ^ WCX_DIGEST_K2) + run->b;
  run->b = (run->b ^ x) * WCX_DIGEST_K3 + (y ^ (run->b >> 29));
}

/* sz: bytes of all, of which `left` (below 16) stand at `at`. The length is mixed in, so that no concatenation is ambiguous. */
static inline void wcx_digest_end(wcx_digest_t *chain, const wcx_digest_run_t *run, const uint8_t *at, size_t left, size_t sz)
{
  uint8_t tail[16] = {0};
  memcpy(tail, at, left);
  uint64_t x = wcx_digest_load64(tail);
  uint64_t y = wcx_digest_load64(tail + 8) ^ ((uint64_t)sz << 1 | 1);
  chain->lo = wcx_digest_fold(x ^ run->a ^ WCX_DIGEST_K2, y ^ run->b ^ WCX_DIGEST_K3);
  chain->hi = wcx_digest_fold(y ^ run->a ^ WCX_DIGEST_K1, x ^ run->b ^ WCX_DIGEST_K0 ^ chain->lo);
}

/* chain <- digest(chain, bytes). */
static inline void wcx_digest_update(wcx_digest_t *chain, const void *bytes, size_t sz)
{
  const uint8_t *at = bytes;
  wcx_digest_run_t run = wcx_digest_begin(chain);
  size_t left = sz;
  for (; left >= 16; left -= 16, at += 16)
    wcx_digest_step(&run, wcx_digest_load64(at), wcx_digest_load64(at + 8));
  wcx_digest_end(chain, &run, at, left, sz);
}

/* Keyed hash of bytes, for state digests: the digest of a set is the sum (mod 2^64, both words) of the hashes of its records. */
static inline wcx_digest_t wcx_digest_of(uint64_t key, const void *bytes, size_t sz)
{
  wcx_digest_t digest = {key, ~key};
  wcx_digest_update(&digest, bytes, sz);
  return digest;
}

#endif
