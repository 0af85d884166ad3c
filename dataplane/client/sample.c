/* A market maker in one page: signs on, quotes both sides of BTC-USDT, lets a second order trade with the bid, cancels, signs off. QUICKSTART.md explains it. */
#include "dataplane/client/orders.h"
#include "dataplane/client/wire.h"
#include "engine/base/env.h"

#include <stdio.h>

static wcx_client_transport_t transport;
static wcx_client_session_t session;
static wcx_client_wire_t wire;
static int traded_cnt, canceled_cnt;

static void limit_order(uint8_t side, int64_t price, int64_t qty)
{
  uint8_t bytes[WCX_CLIENT_REQUEST_SZ_MAX];
  wcx_new_order_single_t order = wcx_client_limit_order(wcx_client_session_next_id(&session), 3, 1, side, price, qty, WCX_TIME_IN_FORCE_GTC);
  if (!wcx_client_session_request(&session, wcx_env_mono_ns(), bytes, wcx_client_put_new(bytes, &order), 0))
    printf("not sent\n");
}

static void on_state(void *ctx, enum wcx_client_state state, uint8_t code)
{
  (void)ctx;
  printf("state %d code %u\n", (int)state, code);
  if (state != WCX_CLIENT_READY) /* READY: signed on, and everything that was missed has been told */
    return;
  limit_order(WCX_SIDE_BUY, 5000000, 20000);  /* 0.02 BTC at 50,000.00: prices have 2 decimals here, quantities 6 */
  limit_order(WCX_SIDE_SELL, 5001000, 20000); /* our ask */
  limit_order(WCX_SIDE_SELL, 5000000, 5000);  /* and one that trades with the bid */
}

/* Every message of the session, in order, once, over restarts and lost packets. */
static void on_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  (void)ctx;
  if (wcx_client_message_template(message, sz) == WCX_TEMPLATE_EXECUTION_REPORT_TRADE)
  {
    wcx_execution_report_trade_t trade;
    wcx_client_message_block(&trade, sizeof(trade), message, sz);
    printf("%llu: order %llu traded %lld at %lld\n", (unsigned long long)number, (unsigned long long)trade.cl_ord_id, (long long)trade.last_qty, (long long)trade.last_px);
    traded_cnt++;
  }
  canceled_cnt += wcx_client_message_template(message, sz) == WCX_TEMPLATE_EXECUTION_REPORT_CANCEL;
}

int main(int argc, char **argv)
{
  bool tcp = argc > 1 && strcmp(argv[1], "tcp") == 0;
  wcx_client_session_config_t config = {.session_id = 3,
                                        .access_key_id = "DEMO-MM-3",
                                        .secret = "demo-secret-3",
                                        .user = "mm3",
                                        .transport = tcp ? WCX_CLIENT_TCP : WCX_CLIENT_UDP,
                                        .server_port = tcp ? 7001 : 7002,
                                        .flags = WCX_CLIENT_FLAG_CANCEL_ON_DISCONNECT | WCX_CLIENT_FLAG_TAKE_OVER,
                                        .keep_alive_ms = 1000,
                                        .on_state = on_state,
                                        .on_message = on_message};
  wcx_client_transport_init(&transport, "", "10.77.0.2", 7002, 7003);
  wcx_client_wire_open(&wire, &transport, &session, &config);
  uint64_t start_ns = wcx_env_mono_ns();
  wcx_client_session_open(&session, start_ns);
  for (bool canceling = false; session.state != WCX_CLIENT_CLOSED && wcx_env_mono_ns() - start_ns < 10000000000u;)
  {
    wcx_client_transport_wait(&transport, 1000);
    wcx_client_wire_turn(&wire, wcx_env_mono_ns());
    uint8_t bytes[WCX_CLIENT_REQUEST_SZ_MAX];
    if (traded_cnt == 2 && !canceling) /* our bid and our sell order: both ends of the trade are ours */
      canceling = wcx_client_session_request(&session, wcx_env_mono_ns(), bytes, wcx_client_put_mass_cancel(bytes, wcx_client_session_next_id(&session), 3), 0);
    if (canceled_cnt == 2 && session.undecided_cnt == 0 && session.state == WCX_CLIENT_READY)
      wcx_client_session_terminate(&session, wcx_env_mono_ns());
  }
  wcx_client_transport_close(&transport);
  return session.state == WCX_CLIENT_CLOSED && traded_cnt == 2 && canceled_cnt == 2 ? 0 : 1;
}
