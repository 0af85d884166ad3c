/* Round trips over a port whose other end echoes (port_echo, testpmd 5tswap): one frame at a time, each checked.

     port_ping af_xdp|af_packet|memif DEVICE LCORE COUNT

   Prints one JSON line: sent, echoed, min_ns, p50_ns, p99_ns. Exit status 1 when a frame did not come back within a second. */
#include "dataplane/port.h"
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/params.h"

#include <string.h>

#define FRAME_SZ 106u
#define WAIT_NS UINT64_C(1000000000)
#define WARM_CNT 100u

typedef struct ping
{
  wcx_port_t *port;
  uint64_t *rtt_ns;
  uint32_t want_cnt, sent_cnt, echoed_cnt;
} ping_t;

static void fill_udp(uint8_t *at, uint32_t number)
{
  static const uint8_t head[42] = {2,  0,  0, 0, 0,  2,  2, 0, 0,  0,  0, 1, 8,    0,    0x45, 0,    0, FRAME_SZ - 14, 0, 0, 0, 0,
                                   64, 17, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2, 0x1b, 0x58, 0x1b, 0x5a, 0, FRAME_SZ - 34, 0, 0};
  memcpy(at, head, sizeof(head));
  memset(at + sizeof(head), (int)(number & 0xff), FRAME_SZ - sizeof(head));
  memcpy(at + sizeof(head), &number, sizeof(number));
}

/* True when the echo of `number` came back in time. The port may not be connected yet: then the frame is offered again. */
static bool round_trip(ping_t *ping, uint32_t number)
{
  wcx_frame_t frame;
  WCX_CHECK(wcx_port_alloc(ping->port, &frame), "no frame after %u round trips: frames leak", number);
  fill_udp(frame.data, number);
  frame.len = FRAME_SZ;
  uint64_t start_ns = wcx_env_mono_ns();
  bool is_sent = false;
  for (uint64_t now_ns = start_ns; now_ns - start_ns < WAIT_NS; now_ns = wcx_env_mono_ns())
  {
    if (!is_sent)
      is_sent = wcx_port_tx(ping->port, &frame, 1) == 1;
    wcx_frame_t back;
    if (wcx_port_rx(ping->port, &back, 1) == 0)
      continue;
    uint32_t answered = 0;
    bool is_whole = back.len == FRAME_SZ && back.data[29] == 2 && back.data[FRAME_SZ - 1] == (number & 0xff);
    memcpy(&answered, back.data + 42, sizeof(answered));
    wcx_port_free(ping->port, &back);
    if (is_whole && answered == number)
    {
      ping->rtt_ns[number] = wcx_env_mono_ns() - start_ns;
      return true;
    }
  }
  if (!is_sent)
    wcx_port_free(ping->port, &frame);
  return false;
}

static void ping_all(void *arg)
{
  ping_t *ping = arg;
  for (uint32_t attempt = 0; attempt < 10 && !round_trip(ping, 0); attempt++)
    ;
  for (uint32_t number = 0; number < ping->want_cnt; number++)
  {
    ping->sent_cnt++;
    ping->echoed_cnt += round_trip(ping, number);
  }
}

static int compare(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
  if (argc != 5)
    WCX_DIE("usage: port_ping af_xdp|af_packet|memif DEVICE LCORE COUNT");
  static const char *kinds[] = {[WCX_PORT_AF_XDP] = "af_xdp", [WCX_PORT_AF_PACKET] = "af_packet", [WCX_PORT_MEMIF] = "memif"};
  uint32_t kind = WCX_PORT_MEMIF;
  while (kind > 0 && kinds[kind] != NULL && strcmp(kinds[kind], argv[1]) != 0)
    kind--;
  ping_t ping = {.want_cnt = (uint32_t)strtoul(argv[4], NULL, 10)};
  if (ping.want_cnt <= WARM_CNT)
    WCX_DIE("COUNT must be above %u", WARM_CNT);
  ping.rtt_ns = calloc(ping.want_cnt, sizeof(uint64_t));
  WCX_CHECK(ping.rtt_ns != NULL, "out of memory");
  ping.port = wcx_port_open(kind, argv[2], (uint32_t)strtoul(argv[3], NULL, 10), false);
  wcx_port_run(ping.port, ping_all, &ping);
  uint32_t cnt = ping.want_cnt - WARM_CNT;
  uint64_t *timed = ping.rtt_ns + WARM_CNT;
  qsort(timed, cnt, sizeof(uint64_t), compare);
  printf("{\"sent\":%u,\"echoed\":%u,\"min_ns\":%lu,\"p50_ns\":%lu,\"p99_ns\":%lu}\n", ping.sent_cnt, ping.echoed_cnt, (unsigned long)timed[0], (unsigned long)timed[cnt / 2],
         (unsigned long)timed[(uint64_t)cnt * 99 / 100]);
  free(ping.rtt_ns);
  wcx_port_close(ping.port);
  return ping.echoed_cnt == ping.sent_cnt ? 0 : 1;
}
