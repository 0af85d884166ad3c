/* How many requests a session may make: two token buckets, so that an emptied order bucket never stops a cancel.

       request                                                    class      bucket     75 % pressure   90 % pressure
       OrderCancelRequest, OrderMassCancelRequest (kill, lock),
       MassQuote that only takes quotes away                      CANCEL     cancels    goes on         goes on
       NewOrderSingle, OrderCancelReplaceRequest, MassQuote       RISK       orders     refused         refused
       UnlockTradingRequest, Mmp*Request, SessionStatusRequest    OTHER      orders     goes on         refused
       Terminate, heartbeats, re-requests                         have no class: they are never refused here

   The class depends on the request's bytes alone. What pressure means: dataplane/pressure.h.

   Owner:     the loop.
   Memory:    in the caller's session.
   Units:     monotonic ns; one token a request, whatever its size.
   Pinned by: tests/unit/test_loop_throttle.c. */
#ifndef WCX_DATAPLANE_THROTTLE_H
#define WCX_DATAPLANE_THROTTLE_H

#include "dataplane/limit.h"
#include "engine/sbe.h"
#include "engine/shm/params.h"

#include <string.h>

enum wcx_throttle_class
{
  WCX_THROTTLE_RISK = 1,
  WCX_THROTTLE_CANCEL = 2,
  WCX_THROTTLE_OTHER = 3,
};

typedef struct wcx_throttle_bucket
{
  wcx_rate_t rate;
  wcx_bucket_t bucket;
} wcx_throttle_bucket_t;

typedef struct wcx_throttle
{
  wcx_throttle_bucket_t orders;
  wcx_throttle_bucket_t cancels;
} wcx_throttle_t;

/* One request a second and no burst: a session that no configuration names. */
static inline wcx_throttle_t wcx_throttle_least(void)
{
  wcx_throttle_bucket_t one = {.rate = wcx_rate_of(1, 1)};
  return (wcx_throttle_t){.orders = one, .cancels = one};
}

static inline void wcx_throttle_configure(wcx_throttle_t *throttle, const wcx_params_session_t *params)
{
  throttle->orders.rate = wcx_rate_of(params->throttle_per_s, params->throttle_burst);
  throttle->cancels.rate = wcx_rate_of(params->cancel_per_s, params->cancel_burst);
}

/* Whether a MassQuote, whose lengths were checked, sets no quote: every side of every set is null or 0. */
static inline bool wcx_throttle_only_pulls(const uint8_t *body)
{
  wcx_group_size_t group;
  memcpy(&group, body + sizeof(wcx_mass_quote_t), sizeof(group));
  const uint8_t *at = body + sizeof(wcx_mass_quote_t) + sizeof(group);
  for (uint32_t i = 0; i < group.num_in_group; i++, at += group.block_length)
  {
    wcx_mass_quote_quote_sets_t set;
    memcpy(&set, at, sizeof(set));
    if ((set.bid_px != WCX_I64_NULL && set.bid_size != 0) || (set.offer_px != WCX_I64_NULL && set.offer_size != 0))
      return false;
  }
  return group.num_in_group != 0;
}

/* `body`: a request that has passed every check of its bytes. */
static inline enum wcx_throttle_class wcx_throttle_class_of(uint16_t template_id, const uint8_t *body)
{
  switch (template_id)
  {
  case WCX_TEMPLATE_ORDER_CANCEL_REQUEST:
  case WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST:
    return WCX_THROTTLE_CANCEL;
  case WCX_TEMPLATE_NEW_ORDER_SINGLE:
  case WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST:
    return WCX_THROTTLE_RISK;
  case WCX_TEMPLATE_MASS_QUOTE:
    return wcx_throttle_only_pulls(body) ? WCX_THROTTLE_CANCEL : WCX_THROTTLE_RISK;
  default:
    return WCX_THROTTLE_OTHER;
  }
}

static inline wcx_throttle_bucket_t *wcx_throttle_bucket_of(wcx_throttle_t *throttle, enum wcx_throttle_class class)
{
  return class == WCX_THROTTLE_CANCEL ? &throttle->cancels : &throttle->orders;
}

/* Whether there is a token; it is taken by wcx_throttle_take once the request is done. */
static inline bool wcx_throttle_allows(wcx_throttle_t *throttle, enum wcx_throttle_class class, uint64_t mono_ns)
{
  const wcx_throttle_bucket_t *at = wcx_throttle_bucket_of(throttle, class);
  return wcx_bucket_tokens(&at->bucket, &at->rate, mono_ns) != 0;
}

static inline void wcx_throttle_take(wcx_throttle_t *throttle, enum wcx_throttle_class class, uint64_t mono_ns)
{
  wcx_throttle_bucket_t *at = wcx_throttle_bucket_of(throttle, class);
  wcx_bucket_take(&at->bucket, &at->rate, mono_ns, 1);
}

#endif
