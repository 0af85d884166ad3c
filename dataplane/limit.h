/* Token buckets: how many of something a session or a source address may do per second.

   A bucket is one time stamp: the moment at which it will be full again. Taking a token moves it on by the price of one; when it would lie more than
   `burst` prices ahead, the bucket is empty.

   Owner:     the loop.
   Memory:    in the caller's structs. The table of sources has WCX_SOURCES_MAX places in sets of four; the place longest full is taken for a new address.
   Units:     monotonic ns.
   Pinned by: tests/unit/test_limit.c. */
#ifndef WCX_DATAPLANE_LIMIT_H
#define WCX_DATAPLANE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct wcx_rate
{
  uint64_t price_ns; /* of one token */
  uint64_t depth_ns; /* burst x price */
} wcx_rate_t;

typedef struct wcx_bucket
{
  uint64_t full_ns; /* when it is full again */
} wcx_bucket_t;

/* per_s and burst: 1..1,000,000,000; 0 counts as 1. */
static inline wcx_rate_t wcx_rate_of(uint32_t per_s, uint32_t burst)
{
  uint64_t price_ns = UINT64_C(1000000000) / (per_s != 0 ? per_s : 1);
  price_ns = price_ns != 0 ? price_ns : 1;
  return (wcx_rate_t){.price_ns = price_ns, .depth_ns = price_ns * (burst != 0 ? burst : 1)};
}

/* Tokens there now. */
static inline uint64_t wcx_bucket_tokens(const wcx_bucket_t *bucket, const wcx_rate_t *rate, uint64_t now_ns)
{
  uint64_t ahead = bucket->full_ns > now_ns ? bucket->full_ns - now_ns : 0;
  return ahead >= rate->depth_ns ? 0 : (rate->depth_ns - ahead) / rate->price_ns;
}

/* Take `cnt` tokens the caller has seen there. */
static inline void wcx_bucket_take(wcx_bucket_t *bucket, const wcx_rate_t *rate, uint64_t now_ns, uint64_t cnt)
{
  bucket->full_ns = (bucket->full_ns > now_ns ? bucket->full_ns : now_ns) + cnt * rate->price_ns;
}

#define WCX_SOURCES_MAX 1024u

typedef struct wcx_source
{
  uint32_t ip;
  uint32_t pad;
  wcx_bucket_t bucket;
} wcx_source_t;

typedef struct wcx_sources
{
  uint64_t hash_key;
  wcx_rate_t rate;
  wcx_source_t places[WCX_SOURCES_MAX];
} wcx_sources_t;

/* The bucket of an address. */
static inline wcx_bucket_t *wcx_sources_bucket(wcx_sources_t *sources, uint32_t ip)
{
  uint64_t hash = (ip ^ sources->hash_key) * UINT64_C(0x9E3779B97F4A7C15);
  wcx_source_t *set = &sources->places[(hash >> 32) % (WCX_SOURCES_MAX / 4) * 4];
  wcx_source_t *oldest = set;
  for (uint32_t i = 0; i < 4; i++)
  {
    if (set[i].ip == ip)
      return &set[i].bucket;
    if (set[i].bucket.full_ns < oldest->bucket.full_ns)
      oldest = &set[i];
  }
  *oldest = (wcx_source_t){.ip = ip};
  return &oldest->bucket;
}

#endif
