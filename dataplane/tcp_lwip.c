/* TCP on Debian's lwIP, its raw interface driven from the poll loop: no thread of its own, no socket, no timer but ours. The only file that includes lwip.

   lwIP sees IPv4 packets, not frames: net.c has checked Ethernet, address and fragments, and the peer's MAC is kept beside its connection, so ARP, forwarding
   and reassembly stay out of it. One stack in a process, as lwIP's state is global.

   Debian's lwIP has no backlog, no SYN cookies and no bound on segments out of order, so three rules stand before it:
   - a segment without a connection costs a token of its source and one of all (STRANGERS_*), and finds no memory when it is scarce;
   - a first segment beyond as many half-open connections as there may be open ones gives up the oldest of them;
   - of a connection at most AHEAD_MAX segments wait for one before them, and when memory is tight at most TIGHT_MAX are kept unread;
     of what it is sent, as many are queued then. */
#include "dataplane/limit.h"
#include "dataplane/tcp.h"
#include "dataplane/tcp_memory.h"
#include "engine/base/check.h"
#include "engine/base/siphash.h"

#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#include <stdlib.h>

#define TIMER_NS 10000000u                /* lwIP's timers run 25 times as fast as it thinks: one lost frame costs tens of milliseconds */
#define EGRESS_SPARE (WCX_EGRESS_MAX / 2) /* frames that streams leave to datagrams and the feed */
#define END_NS UINT64_C(5000000000)       /* patience with a peer that does not close its side */
#define NEIGHBOURS_MAX 1024u
#define PENDING_PBUFS_MAX 64u /* small segments of a peer that are not read yet */
#define AHEAD_MAX 48u         /* a full window of full segments */
#define TIGHT_MAX 8u          /* a third of what a connection's share of the memory holds */
#define STRANGERS_SOURCE 4u   /* a second, times conn_max: a connection costs its first segment, its third, and those after its end */
#define STRANGERS_ALL 8u
#define PACKET_SZ_MAX (WCX_FRAME_SZ_MAX - 18) /* a frame has room for a tagged Ethernet header */
#define WINDOW_FLOOR 1072u                    /* two segments that every host takes (RFC 9293, 3.7.1) */

typedef struct conn
{
  wcx_tcp_conn_t seen; /* what the caller sees */
  struct tcp_pcb *pcb;
  struct pbuf *rx; /* received, not read: from rx_off on */
  uint32_t rx_off;
  uint32_t rx_cnt; /* pbufs in rx */
  uint64_t end_ns; /* given back and closed: until when the peer may take its time; 0: not */
  uint32_t hash_next;
  uint8_t owned;   /* the caller has it, or will be told of it */
  uint8_t queued;  /* stands in the queue of ready ones */
  uint8_t unsent;  /* something found no room among the frames */
  uint8_t closing; /* given back, and lwIP had no memory to close it */
} conn_t;

/* Where a frame to an address goes while no connection says so: answers to first segments. */
typedef struct neighbour
{
  wcx_peer_t peer;
} neighbour_t;

struct wcx_tcp
{
  wcx_tcp_config_t config;
  wcx_egress_t *egress;
  struct netif netif;
  struct tcp_pcb *listeners[WCX_TCP_PORTS_MAX];
  const wcx_datagram_t *current; /* segment being received */
  uint64_t mono_ns;
  uint64_t next_timer_ns;
  uint64_t newest_seq; /* newest input that anything written depends on */
  uint32_t free_cnt;
  uint32_t ready_head;
  uint32_t ready_cnt;
  uint32_t map_mask;
  uint32_t retry_cnt; /* connections with unsent or closing */
  uint32_t retry_next;
  uint32_t ending_cnt; /* connections with end_ns */
  uint32_t pad;
  wcx_rate_t strangers_rate;
  wcx_bucket_t strangers;
  conn_t *conns;
  uint32_t *free_conns;
  uint32_t *ready; /* ring of conn_max */
  uint32_t *map;   /* connection + 1 by peer, chained */
  neighbour_t neighbours[NEIGHBOURS_MAX];
  wcx_sources_t sources;
};

static struct wcx_tcp the_tcp;

/* --- first sequence numbers: RFC 6528 ------------------------------------------------------------------------------------------------------- */

/* lwIP's own counts up from a constant; the dynamic linker prefers ours. The hash must not be guessed by a peer that sees many numbers of its own. */
u32_t tcp_next_iss(struct tcp_pcb *pcb)
{
  uint8_t key[WCX_SIPHASH_KEY_SZ];
  uint16_t ports[2] = {pcb->remote_port, pcb->local_port};
  uint8_t ends[8];
  memcpy(key, the_tcp.config.key, sizeof(key));
  memcpy(ends, &ip_2_ip4(&pcb->remote_ip)->addr, 4);
  memcpy(ends + 4, ports, 4);
  return (u32_t)(the_tcp.mono_ns / 4000) + (u32_t)wcx_siphash(key, ends, sizeof(ends)); /* a clock of 4 us */
}

/* --- tables ----------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t place_of(const wcx_tcp_t *tcp, uint32_t ip, uint16_t port, uint16_t our_port)
{
  uint64_t hash = (tcp->config.key[0] ^ ((uint64_t)ip << 32 | (uint32_t)port << 16 | our_port)) * UINT64_C(0x9E3779B97F4A7C15);
  hash ^= hash >> 29;
  return (uint32_t)(hash * UINT64_C(0xC2B2AE3D27D4EB4F) >> 32) & tcp->map_mask;
}

static conn_t *find_conn(const wcx_tcp_t *tcp, uint32_t ip, uint16_t port, uint16_t our_port)
{
  uint32_t at = tcp->map[place_of(tcp, ip, port, our_port)];
  for (; at != 0; at = tcp->conns[at - 1].hash_next)
  {
    conn_t *conn = &tcp->conns[at - 1];
    if (conn->seen.peer.ip == ip && conn->seen.peer.port == port && conn->seen.port == our_port)
      return conn;
  }
  return NULL;
}

static uint32_t number_of(const wcx_tcp_t *tcp, const conn_t *conn)
{
  return (uint32_t)(conn - tcp->conns);
}

static void tell(wcx_tcp_t *tcp, conn_t *conn)
{
  if (conn->queued || !conn->owned)
    return;
  conn->queued = 1;
  tcp->ready[(tcp->ready_head + tcp->ready_cnt++) % tcp->config.conn_max] = number_of(tcp, conn);
}

static void retry_later(wcx_tcp_t *tcp, uint8_t *flag)
{
  if (*flag)
    return;
  *flag = 1;
  tcp->retry_cnt++;
}

static void retried(wcx_tcp_t *tcp, uint8_t *flag)
{
  tcp->retry_cnt -= *flag;
  *flag = 0;
}

static void drop_rx(conn_t *conn)
{
  if (conn->rx != NULL)
    pbuf_free(conn->rx);
  conn->rx = NULL;
  conn->rx_off = 0;
  conn->rx_cnt = 0;
}

/* The number may be given out again once nobody names it. */
static void free_conn(wcx_tcp_t *tcp, conn_t *conn)
{
  uint32_t number = number_of(tcp, conn);
  uint32_t *link = &tcp->map[place_of(tcp, conn->seen.peer.ip, conn->seen.peer.port, conn->seen.port)];
  while (*link != number + 1)
    link = &tcp->conns[*link - 1].hash_next;
  *link = conn->hash_next;
  drop_rx(conn);
  retried(tcp, &conn->unsent);
  retried(tcp, &conn->closing);
  tcp->ending_cnt -= conn->end_ns != 0;
  uint8_t queued = conn->queued;
  *conn = (conn_t){.queued = queued}; /* wcx_tcp_ready passes over it */
  tcp->free_conns[tcp->free_cnt++] = number;
}

/* --- out ---------------------------------------------------------------------------------------------------------------------------------------- */

/* Where a packet goes: its connection's peer, the one being answered, or the last seen at that address. */
static const wcx_peer_t *peer_of(const wcx_tcp_t *tcp, uint32_t ip, uint16_t port, uint16_t our_port)
{
  const conn_t *conn = find_conn(tcp, ip, port, our_port);
  if (conn != NULL)
    return &conn->seen.peer;
  if (tcp->current != NULL && tcp->current->from.ip == ip)
    return &tcp->current->from;
  const neighbour_t *neighbour = &tcp->neighbours[place_of(tcp, ip, 0, 0) % NEIGHBOURS_MAX];
  return neighbour->peer.ip == ip ? &neighbour->peer : NULL;
}

static err_t send_packet(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
  (void)netif;
  wcx_tcp_t *tcp = &the_tcp;
  uint8_t ports[4];
  if (pbuf_copy_partial(p, ports, sizeof(ports), 20) != sizeof(ports))
    return ERR_VAL;
  uint16_t our_port = (uint16_t)(ports[0] << 8 | ports[1]);
  uint16_t port = (uint16_t)(ports[2] << 8 | ports[3]);
  const wcx_peer_t *peer = peer_of(tcp, lwip_ntohl(to->addr), port, our_port);
  if (peer == NULL)
    return ERR_RTE;
  wcx_frame_t frame;
  if (!wcx_egress_room(tcp->egress, EGRESS_SPARE + 1) || !wcx_egress_alloc(tcp->egress, &frame))
  {
    conn_t *conn = find_conn(tcp, peer->ip, port, our_port);
    if (conn != NULL)
      retry_later(tcp, &conn->unsent);
    return ERR_MEM;
  }
  uint32_t at = wcx_net_ethernet(&tcp->egress->net, frame.data, peer);
  WCX_CHECK(at + p->tot_len <= WCX_FRAME_SZ_MAX, "a packet of %u bytes", p->tot_len);
  frame.len = at + pbuf_copy_partial(p, frame.data + at, p->tot_len, 0);
  wcx_net_finish_tcp(frame.data + at, p->tot_len); /* lwIP's is wrong for some segments that grew before they went out again, and stays wrong */
  wcx_egress_queue(tcp->egress, &frame, tcp->newest_seq);
  return ERR_OK;
}

/* --- what lwIP tells ---------------------------------------------------------------------------------------------------------------------------- */

/* It has ended on both sides: lwIP finishes alone. Its frames need the peer until then: the address stays among the neighbours. */
static void let_go(wcx_tcp_t *tcp, conn_t *conn)
{
  tcp->neighbours[place_of(tcp, conn->seen.peer.ip, 0, 0) % NEIGHBOURS_MAX].peer = conn->seen.peer;
  tcp_arg(conn->pcb, NULL);
  tcp_err(conn->pcb, NULL);
  free_conn(tcp, conn);
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
  (void)err;
  wcx_tcp_t *tcp = &the_tcp;
  conn_t *conn = arg;
  if (conn == NULL || !conn->owned)
  {
    /* given back: what comes now is acknowledged and forgotten */
    if (p != NULL)
    {
      tcp_recved(pcb, p->tot_len);
      pbuf_free(p);
    }
    else if (conn != NULL && conn->end_ns != 0)
      let_go(tcp, conn);
    return ERR_OK;
  }
  if (p == NULL)
  {
    conn->seen.state = WCX_TCP_HALF;
    tell(tcp, conn);
    return ERR_OK;
  }
  if (conn->rx_cnt >= PENDING_PBUFS_MAX)
    return ERR_MEM; /* lwIP keeps this one and takes no more until it is read */
  conn->rx_cnt += pbuf_clen(p);
  if (conn->rx == NULL)
    conn->rx = p;
  else
    pbuf_cat(conn->rx, p);
  tell(tcp, conn);
  return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
  (void)pcb;
  (void)len;
  if (arg != NULL)
    tell(&the_tcp, arg);
  return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
  (void)err;
  conn_t *conn = arg;
  if (conn == NULL)
    return;
  conn->pcb = NULL;
  conn->seen.state = WCX_TCP_GONE;
  if (conn->owned)
    tell(&the_tcp, conn);
  else
    free_conn(&the_tcp, conn);
}

static err_t on_accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
  (void)arg;
  wcx_tcp_t *tcp = &the_tcp;
  if (err != ERR_OK || pcb == NULL || tcp->free_cnt == 0 || tcp->current == NULL)
    return ERR_MEM;
  uint32_t number = tcp->free_conns[--tcp->free_cnt];
  conn_t *conn = &tcp->conns[number];
  uint8_t queued = conn->queued;
  *conn = (conn_t){.seen = {.peer = tcp->current->from, .port = tcp->current->to_port, .state = WCX_TCP_OPEN}, .pcb = pcb, .owned = 1, .queued = queued};
  uint32_t *bucket = &tcp->map[place_of(tcp, conn->seen.peer.ip, conn->seen.peer.port, conn->seen.port)];
  conn->hash_next = *bucket;
  *bucket = number + 1;
  tcp_arg(pcb, conn);
  tcp_recv(pcb, on_received);
  tcp_sent(pcb, on_sent);
  tcp_err(pcb, on_error);
  tcp_nagle_disable(pcb);
  tell(tcp, conn);
  return ERR_OK;
}

/* --- set-up --------------------------------------------------------------------------------------------------------------------------------------- */

static err_t init_netif(struct netif *netif)
{
  netif->name[0] = 'w';
  netif->name[1] = 'x';
  netif->output = send_packet;
  netif->mtu = PACKET_SZ_MAX;
  return ERR_OK;
}

static void *must_calloc(size_t cnt, size_t sz)
{
  void *mem = calloc(cnt, sz);
  if (mem == NULL)
    WCX_DIE("no %zu KiB of memory for TCP: lower tcp_connections_max", cnt * sz >> 10);
  return mem;
}

static void listen_on(wcx_tcp_t *tcp, uint32_t idx)
{
  struct tcp_pcb *pcb = tcp_new();
  ip_addr_t any = *IP_ADDR_ANY;
  WCX_CHECK(pcb != NULL && tcp_bind(pcb, &any, tcp->config.ports[idx]) == ERR_OK, "TCP cannot listen on port %u", tcp->config.ports[idx]);
  tcp->listeners[idx] = tcp_listen_with_backlog(pcb, 255);
  WCX_CHECK(tcp->listeners[idx] != NULL, "TCP cannot listen on port %u", tcp->config.ports[idx]);
  tcp_accept(tcp->listeners[idx], on_accepted);
}

wcx_tcp_t *wcx_tcp_open(const wcx_tcp_config_t *config)
{
  static bool is_initialised;
  wcx_tcp_t *tcp = &the_tcp;
  WCX_CHECK(tcp->conns == NULL, "a second TCP stack in one process");
  wcx_tcp_memory_init(config->conn_max);
  if (!is_initialised)
    lwip_init();
  is_initialised = true;
  *tcp = (wcx_tcp_t){.config = *config, .map_mask = 15, .free_cnt = config->conn_max};
  while (tcp->map_mask + 1 < 2 * config->conn_max)
    tcp->map_mask = tcp->map_mask * 2 + 1;
  tcp->sources.hash_key = config->key[0];
  tcp->sources.rate = wcx_rate_of(STRANGERS_SOURCE * config->conn_max, STRANGERS_SOURCE * config->conn_max);
  tcp->strangers_rate = wcx_rate_of(STRANGERS_ALL * config->conn_max, STRANGERS_ALL * config->conn_max);
  tcp->conns = must_calloc(config->conn_max, sizeof(conn_t));
  tcp->free_conns = must_calloc(config->conn_max, sizeof(uint32_t));
  tcp->ready = must_calloc(config->conn_max, sizeof(uint32_t));
  tcp->map = must_calloc(tcp->map_mask + 1, sizeof(uint32_t));
  for (uint32_t i = 0; i < config->conn_max; i++)
    tcp->free_conns[i] = config->conn_max - 1 - i;
  ip4_addr_t ip = {.addr = lwip_htonl(config->ip)};
  ip4_addr_t mask = {.addr = lwip_htonl(0xffffffffu)};
  ip4_addr_t none = {0};
  WCX_CHECK(netif_add(&tcp->netif, &ip, &mask, &none, NULL, init_netif, ip_input) != NULL, "lwIP refuses its interface");
  netif_set_default(&tcp->netif);
  netif_set_up(&tcp->netif);
  netif_set_link_up(&tcp->netif);
  for (uint32_t i = 0; i < WCX_TCP_PORTS_MAX; i++)
    if (config->ports[i] != 0)
      listen_on(tcp, i);
  return tcp;
}

/* Connections end without a word: their process would be gone. */
static void forget_all(wcx_tcp_t *tcp)
{
  for (uint32_t i = 0; i < tcp->config.conn_max; i++)
  {
    conn_t *conn = &tcp->conns[i];
    if (conn->seen.state == WCX_TCP_FREE)
      continue;
    if (conn->pcb != NULL)
    {
      tcp_arg(conn->pcb, NULL);
      tcp_err(conn->pcb, NULL);
      tcp_abandon(conn->pcb, 0);
    }
    free_conn(tcp, conn);
  }
}

void wcx_tcp_close(wcx_tcp_t *tcp)
{
  forget_all(tcp);
  for (uint32_t i = 0; i < WCX_TCP_PORTS_MAX; i++)
    if (tcp->listeners[i] != NULL)
      tcp_close(tcp->listeners[i]);
  netif_remove(&tcp->netif);
  free(tcp->conns);
  free(tcp->free_conns);
  free(tcp->ready);
  free(tcp->map);
  tcp->conns = NULL;
}

void wcx_tcp_attach(wcx_tcp_t *tcp, wcx_egress_t *egress)
{
  tcp->egress = egress;
  tcp->newest_seq = 0;
  forget_all(tcp);
}

/* --- the loop's side -------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t get32(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* lwIP's connection of a segment, also one whose number has been given back or that is half open; NULL: none. */
static struct tcp_pcb *find_pcb(const wcx_datagram_t *segment)
{
  struct tcp_pcb *pcb = tcp_active_pcbs;
  while (pcb != NULL && (pcb->remote_port != segment->from.port || pcb->local_port != segment->to_port || ip_2_ip4(&pcb->remote_ip)->addr != lwip_htonl(segment->from.ip)))
    pcb = pcb->next;
  return pcb;
}

/* Whether a segment without a connection is looked at. Those that have one come first. */
static bool admit(wcx_tcp_t *tcp, uint32_t ip)
{
  wcx_bucket_t *source = wcx_sources_bucket(&tcp->sources, ip);
  if (wcx_tcp_memory_scarce() || wcx_bucket_tokens(source, &tcp->sources.rate, tcp->mono_ns) == 0 || wcx_bucket_tokens(&tcp->strangers, &tcp->strangers_rate, tcp->mono_ns) == 0)
    return false;
  wcx_bucket_take(source, &tcp->sources.rate, tcp->mono_ns, 1);
  wcx_bucket_take(&tcp->strangers, &tcp->strangers_rate, tcp->mono_ns, 1);
  return true;
}

/* A half-open connection is about to be added: the oldest goes when there are too many. lwIP puts new ones in front. */
static void bound_half_open(wcx_tcp_t *tcp)
{
  uint32_t cnt = 0;
  struct tcp_pcb *oldest = NULL;
  for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
    if (pcb->state == SYN_RCVD)
    {
      oldest = pcb;
      cnt++;
    }
  if (cnt < tcp->config.conn_max)
    return;
  tcp_abandon(oldest, 0);
  wcx_stat_add(&tcp->egress->stats->tcp_half_open_dropped, 1);
}

/* Whether the bytes of a segment may not be kept: its peer has too many that are out of order, or unread while memory is tight. */
static bool is_too_much(const conn_t *conn, const struct tcp_pcb *pcb, const wcx_datagram_t *segment)
{
  const uint8_t *header = segment->payload + 20;
  bool empty = segment->len <= 20u + (header[12] >> 4) * 4u;
  if (empty)
    return false;
  uint32_t ahead = 0;
  for (const struct tcp_seg *seg = pcb->ooseq; seg != NULL && ahead < AHEAD_MAX; seg = seg->next)
    ahead++;
  if ((int32_t)(get32(header + 4) - pcb->rcv_nxt) > 0 && ahead == AHEAD_MAX)
    return true;
  return ahead + (conn != NULL ? conn->rx_cnt : 0) >= TIGHT_MAX && wcx_tcp_memory_tight();
}

static void hand_over(wcx_tcp_t *tcp, const wcx_datagram_t *segment)
{
  struct pbuf *p = pbuf_alloc(PBUF_RAW, segment->len + 1u, PBUF_RAM);
  if (p == NULL)
    return;
  ((uint8_t *)p->payload)[segment->len] = 0; /* options that end within one make lwIP look at the byte behind them */
  p->len = p->tot_len = segment->len;
  pbuf_take(p, segment->payload, segment->len);
  tcp->current = segment;
  if (ip_input(p, &tcp->netif) != ERR_OK)
    pbuf_free(p);
  tcp->current = NULL;
}

/* What is written next to a segment that waits is sized by the present maximum, so the maximum must not change: one above the interface's makes fragments, and
   one below what waits ends the process in lwIP. lwIP takes the option from any segment, where RFC 9293 (3.7.1) knows it in a SYN alone; and it goes from the
   whole maximum to half of the peer's largest window when a window of 0 opens a little. */
static void keep_segment_size(const wcx_tcp_t *tcp, const wcx_datagram_t *segment, struct tcp_pcb *pcb, u16_t mss)
{
  const conn_t *conn = find_conn(tcp, segment->from.ip, segment->from.port, segment->to_port);
  if (pcb == NULL || (conn != NULL ? conn->pcb : find_pcb(segment)) != pcb)
    return; /* it is no more */
  pcb->mss = mss;
  if (pcb->snd_wnd_max < WINDOW_FLOOR)
    pcb->snd_wnd_max = WINDOW_FLOOR;
}

void wcx_tcp_receive(wcx_tcp_t *tcp, const wcx_datagram_t *segment)
{
  wcx_stats_t *stats = tcp->egress->stats;
  conn_t *conn = find_conn(tcp, segment->from.ip, segment->from.port, segment->to_port);
  if (conn != NULL && conn->seen.peer.vlan != segment->from.vlan)
    return;
  if (conn == NULL && !admit(tcp, segment->from.ip))
  {
    wcx_stat_add(&stats->tcp_drop_stranger, 1);
    return;
  }
  struct tcp_pcb *pcb = conn != NULL ? conn->pcb : find_pcb(segment);
  if (pcb != NULL && is_too_much(conn, pcb, segment))
  {
    wcx_stat_add(&stats->tcp_drop_ahead, 1);
    return;
  }
  if (conn == NULL)
    tcp->neighbours[place_of(tcp, segment->from.ip, 0, 0) % NEIGHBOURS_MAX].peer = segment->from;
  if (pcb == NULL && (segment->payload[33] & TCP_SYN) != 0)
    bound_half_open(tcp);
  u32_t received = pcb != NULL ? pcb->rcv_nxt : 0;
  u32_t acknowledged = pcb != NULL ? pcb->lastack : 0;
  u16_t mss = pcb != NULL ? pcb->mss : 0;
  hand_over(tcp, segment);
  keep_segment_size(tcp, segment, pcb, mss);
  if (conn != NULL && pcb != NULL && conn->pcb == pcb && (pcb->rcv_nxt != received || pcb->lastack != acknowledged))
    memcpy(conn->seen.peer.mac, segment->from.mac, 6); /* only who knows the numbers may move */
}

static void retry(wcx_tcp_t *tcp, conn_t *conn)
{
  if (conn->unsent)
  {
    retried(tcp, &conn->unsent);
    if (conn->pcb != NULL)
      (void)tcp_output(conn->pcb); /* says so again when there is still no room */
  }
  if (conn->closing)
  {
    retried(tcp, &conn->closing);
    wcx_tcp_end(tcp, number_of(tcp, conn), false);
  }
}

/* Peers that never close their side. */
static void end_late_ones(wcx_tcp_t *tcp)
{
  for (uint32_t i = 0; i < tcp->config.conn_max && tcp->ending_cnt > 0; i++)
  {
    conn_t *conn = &tcp->conns[i];
    if (conn->end_ns == 0 || tcp->mono_ns < conn->end_ns)
      continue;
    struct tcp_pcb *pcb = conn->pcb;
    tcp_arg(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_abort(pcb);
    free_conn(tcp, conn);
  }
}

uint32_t wcx_tcp_step(wcx_tcp_t *tcp, uint64_t mono_ns)
{
  uint32_t work = 0;
  tcp->mono_ns = mono_ns;
  if (mono_ns >= tcp->next_timer_ns)
  {
    tcp->next_timer_ns = mono_ns + TIMER_NS;
    tcp_tmr();
    if (tcp->ending_cnt > 0)
      end_late_ones(tcp);
    work++;
  }
  if (tcp->retry_cnt == 0 || !wcx_egress_room(tcp->egress, EGRESS_SPARE + 1))
    return work;
  for (uint32_t i = 0; i < tcp->config.conn_max && tcp->retry_cnt > 0; i++)
  {
    tcp->retry_next = tcp->retry_next + 1 < tcp->config.conn_max ? tcp->retry_next + 1 : 0; /* who comes last today is first tomorrow */
    conn_t *conn = &tcp->conns[tcp->retry_next];
    if (!conn->unsent && !conn->closing)
      continue;
    retry(tcp, conn);
    work++;
    if (!wcx_egress_room(tcp->egress, EGRESS_SPARE + 1))
      break;
  }
  return work;
}

bool wcx_tcp_ready(wcx_tcp_t *tcp, uint32_t *number)
{
  while (tcp->ready_cnt > 0)
  {
    *number = tcp->ready[tcp->ready_head];
    tcp->ready_head = (tcp->ready_head + 1) % tcp->config.conn_max;
    tcp->ready_cnt--;
    conn_t *conn = &tcp->conns[*number];
    conn->queued = 0;
    if (conn->owned)
      return true;
  }
  return false;
}

const wcx_tcp_conn_t *wcx_tcp_conn(const wcx_tcp_t *tcp, uint32_t number)
{
  return &tcp->conns[number].seen;
}

uint32_t wcx_tcp_read(wcx_tcp_t *tcp, uint32_t number, uint8_t *to, uint32_t max)
{
  conn_t *conn = &tcp->conns[number];
  uint32_t got = 0;
  while (got < max && conn->rx != NULL)
  {
    struct pbuf *p = conn->rx;
    uint32_t part = p->len - conn->rx_off < max - got ? p->len - conn->rx_off : max - got;
    memcpy(to + got, (const uint8_t *)p->payload + conn->rx_off, part);
    got += part;
    conn->rx_off += part;
    if (conn->rx_off < p->len)
      break;
    conn->rx = p->next;
    if (conn->rx != NULL)
      pbuf_ref(conn->rx);
    pbuf_free(p);
    conn->rx_cnt--;
    conn->rx_off = 0;
  }
  if (got > 0 && conn->pcb != NULL)
    tcp_recved(conn->pcb, (u16_t)got);
  return got;
}

uint32_t wcx_tcp_room(const wcx_tcp_t *tcp, uint32_t number)
{
  const conn_t *conn = &tcp->conns[number];
  if (conn->pcb == NULL || (conn->pcb->state != ESTABLISHED && conn->pcb->state != CLOSE_WAIT))
    return 0;
  uint32_t queued = TCP_SND_BUF - tcp_sndbuf(conn->pcb);
  bool tight = wcx_tcp_memory_tight();
  uint32_t max = tight ? WCX_TCP_QUEUE_MAX / 4 : WCX_TCP_QUEUE_MAX;
  bool fits = queued < max && tcp_sndqueuelen(conn->pcb) + 4u < (tight ? TIGHT_MAX + 4u : TCP_SND_QUEUELEN);
  return fits ? max - queued : 0;
}

bool wcx_tcp_write(wcx_tcp_t *tcp, uint32_t number, const uint8_t *data, uint32_t len)
{
  if (len > wcx_tcp_room(tcp, number))
    return false;
  return tcp_write(tcp->conns[number].pcb, data, (u16_t)len, TCP_WRITE_FLAG_COPY) == ERR_OK;
}

void wcx_tcp_push(wcx_tcp_t *tcp, uint32_t number, uint64_t input_seq)
{
  tcp->newest_seq = input_seq > tcp->newest_seq ? input_seq : tcp->newest_seq;
  if (tcp->conns[number].pcb != NULL)
    (void)tcp_output(tcp->conns[number].pcb);
}

void wcx_tcp_end(wcx_tcp_t *tcp, uint32_t number, bool at_once)
{
  conn_t *conn = &tcp->conns[number];
  conn->owned = 0;
  struct tcp_pcb *pcb = conn->pcb;
  if (pcb == NULL)
  {
    free_conn(tcp, conn);
    return;
  }
  if (at_once)
  {
    tcp_arg(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_abort(pcb);
    free_conn(tcp, conn);
    return;
  }
  /* bytes that are unread, or that lwIP keeps because we took no more, would make it answer the close with a reset, which takes along what was written */
  if (pcb->refused_data != NULL)
    pbuf_free(pcb->refused_data);
  pcb->refused_data = NULL;
  pcb->rcv_wnd = TCP_WND_MAX(pcb);
  drop_rx(conn);
  if (tcp_close(pcb) != ERR_OK)
  {
    retry_later(tcp, &conn->closing);
    return;
  }
  /* a closed one that hears more from its peer is reset by lwIP, and what was written last would go with it: keep listening, for a while */
  tcp_clear_flags(pcb, TF_RXCLOSED);
  conn->end_ns = tcp->mono_ns + END_NS;
  tcp->ending_cnt++;
}
