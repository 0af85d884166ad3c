#include "control/ctl/replay.h"

#include <inttypes.h>

static void print_session(const wcx_ctl_t *ctl, uint64_t seq, const wcx_session_view_t *session)
{
  if (ctl->json)
    printf("{\"as_of_seq\":%" PRIu64 ",\"Session\":{\"SessionID\":%u,\"Account\":%u,\"Open\":%s,\"CancelOnDisconnect\":%s,\"NextClientSeqNo\":%" PRIu64
           ",\"NextServerSeqNo\":%" PRIu64 ",\"LastClOrdID\":%" PRIu64 ",\"UUID\":%" PRIu64 ",\"OpenOrders\":%u}}\n",
           seq, session->session_id, session->account, session->open ? "true" : "false", session->cod ? "true" : "false", session->next_client_seq, session->next_server_seq,
           session->last_cl_ord_id, session->uuid, session->open_orders);
  else
    printf("  %9u %10u %-6s %-4s %16" PRIu64 " %16" PRIu64 " %16" PRIu64 " %8u\n", session->session_id, session->account, session->open ? "open" : "closed",
           session->cod ? "yes" : "no", session->next_client_seq, session->next_server_seq, session->last_cl_ord_id, session->open_orders);
}

static int list_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_ctl_replay_t replay;
  int status = wcx_ctl_replay_open_late(&replay, ctl, shard, NULL);
  if (status == WCX_CTL_OK)
    status = wcx_ctl_replay_run(&replay, ctl);
  if (status == WCX_CTL_OK)
  {
    uint64_t seq = wcx_engine_applied_seq(replay.engine);
    if (!ctl->json)
      printf("shard %u as_of_seq %" PRIu64 "\n  %9s %10s %-6s %-4s %16s %16s %16s %8s\n", shard, seq, "session", "account", "state", "cod", "next client seq", "next server seq",
             "last ClOrdID", "orders");
    wcx_session_view_t session;
    for (uint32_t i = 0; wcx_engine_session_at(replay.engine, i, &session); i++)
      print_session(ctl, seq, &session);
  }
  wcx_ctl_replay_close(&replay);
  return status;
}

int wcx_ctl_session_list(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, list_shard);
}
