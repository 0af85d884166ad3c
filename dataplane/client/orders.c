#include "dataplane/client/orders.h"

#include "dataplane/client/packet.h"

size_t wcx_client_put_new(uint8_t *out, const wcx_new_order_single_t *order)
{
  return wcx_client_message_write(out, WCX_TEMPLATE_NEW_ORDER_SINGLE, order, sizeof(*order));
}

size_t wcx_client_put_cancel(uint8_t *out, uint64_t cl_ord_id, uint64_t orig_cl_ord_id, uint32_t security_id)
{
  wcx_order_cancel_request_t cancel = {.cl_ord_id = cl_ord_id, .orig_cl_ord_id = orig_cl_ord_id, .order_id = WCX_U64_NULL, .security_id = security_id};
  return wcx_client_message_write(out, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &cancel, sizeof(cancel));
}

size_t wcx_client_put_replace(uint8_t *out, uint64_t cl_ord_id, uint64_t orig_cl_ord_id, uint32_t security_id, int64_t price, int64_t order_qty)
{
  wcx_order_cancel_replace_request_t replace = {
      .cl_ord_id = cl_ord_id,
      .orig_cl_ord_id = orig_cl_ord_id,
      .order_id = WCX_U64_NULL,
      .price = price,
      .order_qty = order_qty,
      .display_qty = WCX_I64_NULL,
      .security_id = security_id,
      .stop_px = WCX_I64_NULL,
  };
  return wcx_client_message_write(out, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &replace, sizeof(replace));
}

size_t wcx_client_put_mass_cancel(uint8_t *out, uint64_t cl_ord_id, uint32_t account)
{
  wcx_order_mass_cancel_request_t cancel = {
      .cl_ord_id = cl_ord_id, .security_id = WCX_U32_NULL, .account = account, .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION};
  return wcx_client_message_write(out, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, &cancel, sizeof(cancel));
}
