/* An echo on the appliance's own port: swaps Ethernet, IPv4 and UDP addresses of every UDP frame and sends it back, as testpmd's 5tswap does; answers ARP
   for 10.77.0.2. For tests of the port and as the floor of round-trip times.

     port_echo af_xdp|af_packet|memif DEVICE LCORE [huge]

   Prints "ready <mac>" when the poll loop is about to start and "echoed <n>" at the end (SIGTERM or SIGINT). */
#include "dataplane/port.h"
#include "engine/base/check.h"
#include "engine/shm/params.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static atomic_bool is_stopping;
static const uint8_t ip_ours[4] = {10, 77, 0, 2};

typedef struct echo
{
  wcx_port_t *port;
  uint8_t mac[6];
  uint64_t echoed_cnt;
} echo_t;

static void stop(int signal_number)
{
  (void)signal_number;
  atomic_store_explicit(&is_stopping, true, memory_order_relaxed);
}

static void swap(uint8_t *a, uint8_t *b, size_t sz)
{
  uint8_t kept[8];
  memcpy(kept, a, sz);
  memcpy(a, b, sz);
  memcpy(b, kept, sz);
}

static bool answer_udp(wcx_frame_t *frame)
{
  uint8_t *at = frame->data;
  if (frame->len < 42 || at[12] != 0x08 || at[13] != 0x00 || at[14] != 0x45 || at[23] != 17 || memcmp(at + 30, ip_ours, 4) != 0)
    return false;
  swap(at, at + 6, 6);
  swap(at + 26, at + 30, 4);
  swap(at + 34, at + 36, 2);
  return true;
}

static bool answer_arp(wcx_frame_t *frame, const uint8_t mac[6])
{
  uint8_t *at = frame->data;
  if (frame->len < 42 || at[12] != 0x08 || at[13] != 0x06 || at[21] != 1 || memcmp(at + 38, ip_ours, 4) != 0)
    return false;
  memcpy(at, at + 6, 6);
  memcpy(at + 6, mac, 6);
  at[21] = 2;
  memcpy(at + 32, at + 22, 10);
  memcpy(at + 22, mac, 6);
  memcpy(at + 28, ip_ours, 4);
  frame->len = 42;
  return true;
}

static void echo_until_stopped(void *arg)
{
  echo_t *echo = arg;
  wcx_frame_t frames[WCX_PORT_BURST_MAX];
  while (!atomic_load_explicit(&is_stopping, memory_order_relaxed))
  {
    uint32_t got_cnt = wcx_port_rx(echo->port, frames, WCX_PORT_BURST_MAX);
    uint32_t send_cnt = 0;
    for (uint32_t i = 0; i < got_cnt; i++)
    {
      if (answer_udp(&frames[i]) || answer_arp(&frames[i], echo->mac))
        frames[send_cnt++] = frames[i];
      else
        wcx_port_free(echo->port, &frames[i]);
    }
    uint32_t sent_cnt = send_cnt == 0 ? 0 : wcx_port_tx(echo->port, frames, send_cnt);
    echo->echoed_cnt += sent_cnt;
    for (uint32_t i = sent_cnt; i < send_cnt; i++)
      wcx_port_free(echo->port, &frames[i]);
  }
}

int main(int argc, char **argv)
{
  if (argc < 4)
    WCX_DIE("usage: port_echo af_xdp|af_packet|memif DEVICE LCORE [huge]");
  static const char *kinds[] = {[WCX_PORT_AF_XDP] = "af_xdp", [WCX_PORT_AF_PACKET] = "af_packet", [WCX_PORT_MEMIF] = "memif"};
  uint32_t kind = WCX_PORT_MEMIF;
  while (kind > 0 && kinds[kind] != NULL && strcmp(kinds[kind], argv[1]) != 0)
    kind--;
  echo_t echo = {.port = wcx_port_open(kind, argv[2], (uint32_t)strtoul(argv[3], NULL, 10), argc > 4)};
  wcx_port_mac(echo.port, echo.mac);
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  printf("ready %02x:%02x:%02x:%02x:%02x:%02x\n", echo.mac[0], echo.mac[1], echo.mac[2], echo.mac[3], echo.mac[4], echo.mac[5]);
  fflush(stdout);
  wcx_port_run(echo.port, echo_until_stopped, &echo);
  printf("echoed %lu\n", (unsigned long)echo.echoed_cnt);
  wcx_port_close(echo.port);
  return 0;
}
