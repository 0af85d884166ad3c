/* Requests of a client as bytes: each function writes a complete SBE message and returns its size.

   Owner:     the caller; no state.
   Memory:    `out` has room for WCX_CLIENT_REQUEST_SZ_MAX bytes.
   Units:     price and quantity are mantissas of the instrument.
   Pinned by: tests/unit/test_client_session.c. */
#ifndef WCX_CLIENT_ORDERS_H
#define WCX_CLIENT_ORDERS_H

#include "engine/sbe.h"

#include <stddef.h>

#define WCX_CLIENT_REQUEST_SZ_MAX 128u

/* A plain limit order; what a limit order does not need is null. Change fields before wcx_client_put_new. */
static inline wcx_new_order_single_t wcx_client_limit_order(uint64_t cl_ord_id, uint32_t account, uint32_t security_id, uint8_t side, int64_t price, int64_t qty,
                                                            uint8_t time_in_force)
{
  return (wcx_new_order_single_t){
      .cl_ord_id = cl_ord_id,
      .price = price,
      .order_qty = qty,
      .display_qty = WCX_I64_NULL,
      .min_qty = WCX_I64_NULL,
      .stop_px = WCX_I64_NULL,
      .expire_time = WCX_U64_NULL,
      .security_id = security_id,
      .account = account,
      .side = side,
      .ord_type = WCX_ORD_TYPE_LIMIT,
      .time_in_force = time_in_force,
      .self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_NONE,
  };
}

size_t wcx_client_put_new(uint8_t *out, const wcx_new_order_single_t *order);

/* Cancel by the ClOrdID the order answers to now: its own, or that of the last replace that was accepted. */
size_t wcx_client_put_cancel(uint8_t *out, uint64_t cl_ord_id, uint64_t orig_cl_ord_id, uint32_t security_id);

/* Change price and total quantity, what has executed included. WCX_I64_NULL price: unchanged. The order's instructions are taken away (ExecInst of a replace is the new
   set, and empty here): for a post-only or a hidden order write the message yourself. DisplayQty and StopPx stay. */
size_t wcx_client_put_replace(uint8_t *out, uint64_t cl_ord_id, uint64_t orig_cl_ord_id, uint32_t security_id, int64_t price, int64_t order_qty);

/* Every order of this session. */
size_t wcx_client_put_mass_cancel(uint8_t *out, uint64_t cl_ord_id, uint32_t account);

#endif
