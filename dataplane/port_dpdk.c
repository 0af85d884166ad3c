/* The port over DPDK: af_xdp or af_packet on a kernel interface, memif to another process; for a load generator whatever DPDK has a driver for (port_dpdk.h).
   The only file that includes rte_*.

   One port per process. The main thread becomes EAL's main lcore on every CPU but the poll core, and EAL's own threads follow it there; the poll loop
   runs on one worker lcore pinned to the poll core. */
#include "dataplane/port_dpdk.h"
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/params.h"

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define QUEUES_MAX 4u
#define MBUF_CNT(queue_cnt) (12287u + 4096u * (queue_cnt)) /* af_xdp alone parks 4,096 a queue in its fill and receive rings, as many in its transmit ring and 2,048 in the last */
#define MBUF_CACHE_CNT 256u
#define RING_DESC_CNT 1024u
#define AF_XDP_RING_DESC_CNT 4096u /* as the fill ring, of which the driver fills half: 2,048 frames a queue wait while the poll loop is kept from its CPU */
#define ORDINARY_MEMORY_MIB "128"
#define HUGE_PAGES_NEEDED 48u /* of 2 MiB */
#define MAIN_LCORE 0u
#define POLL_LCORE 1u

struct wcx_port
{
  struct rte_mempool *pool;
  uint16_t ids[QUEUES_MAX]; /* DPDK's, one for each receive queue: its af_xdp cannot have several of an interface without combined channels, such as a veth */
  uint16_t queue_cnt;       /* of af_xdp as many as the interface has, up to QUEUES_MAX; all frames leave through the first */
  uint16_t first_queue;     /* asked first by the next wcx_port_rx */
  bool is_tx_counted;       /* transmit results come from reference counts, see send_counted */
  bool wants_stamps;        /* ask the device to stamp what it receives */
  const char *unstamped;    /* why it does not; NULL: it does */
  int stamp_off;            /* of the stamp in a buffer; with it the flag that says it is there */
  uint64_t stamp_flag;
  wcx_port_clock_t clock;
  sem_t done;
  sem_t parked; /* never posted */
  void (*fn)(void *arg);
  void *arg;
};

static wcx_port_t the_port = {.unstamped = "nobody asked for them"};

/* --- set-up: what the host must offer ------------------------------------------------------------ */

static void check_interface(const char *device)
{
  if (if_nametoindex(device) == 0)
    WCX_DIE("port: no interface '%s' in this network namespace: make it (make up does) or correct network.device; there are: ip -br link", device);
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0)
    WCX_DIE("port: raw sockets are refused (%s): run as root, or give the executable CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF and CAP_IPC_LOCK", strerror(errno));
  struct ifreq request = {0};
  memcpy(request.ifr_name, device, strlen(device) + 1); /* if_nametoindex accepts no name longer than IFNAMSIZ - 1 */
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0)
    WCX_DIE("port: cannot read the flags of '%s': %s", device, strerror(errno));
  close(fd);
  if ((request.ifr_flags & IFF_UP) == 0)
    WCX_DIE("port: interface '%s' is down: ip link set dev %s up", device, device);
}

/* The kernel spreads flows over an interface's receive queues, and each keeps 2,048 frames waiting. An interface that cannot say has one. */
static uint16_t receive_queues(const char *device)
{
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return 1;
  struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
  struct ifreq request = {.ifr_data = (char *)&channels};
  memcpy(request.ifr_name, device, strlen(device) + 1); /* see check_interface */
  int status = ioctl(fd, SIOCETHTOOL, &request);
  close(fd);
  uint32_t cnt = status == 0 ? channels.rx_count + channels.combined_count : 1;
  return (uint16_t)(cnt < 1 ? 1 : cnt < QUEUES_MAX ? cnt : QUEUES_MAX);
}

static void check_huge_pages(void)
{
  static const char path[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
  unsigned long free_cnt = 0;
  FILE *file = fopen(path, "re");
  if (file == NULL || fscanf(file, "%lu", &free_cnt) != 1)
    free_cnt = 0;
  if (file != NULL)
    fclose(file);
  if (free_cnt < HUGE_PAGES_NEEDED)
    WCX_DIE("port: %lu huge pages of 2 MiB are free, %u are needed: echo 512 > /proc/sys/vm/nr_hugepages (or set hugepages: false)", free_cnt, HUGE_PAGES_NEEDED);
}

/* "server:/path" or "client:/path". A server that was killed leaves its socket behind: remove it when nobody listens there. A living one tells a connect of
   the wrong type EPROTOTYPE; a connect of the right type would disturb it. */
static void check_memif(const char *device)
{
  const char *path = strchr(device, ':');
  bool is_server = strncmp(device, "server:", 7) == 0;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path == NULL || (!is_server && strncmp(device, "client:", 7) != 0) || path[1] != '/' || strlen(path + 1) >= sizeof(address.sun_path) || strchr(path, ',') != NULL)
    WCX_DIE("port: memif device '%s' is not 'server:/path' or 'client:/path' (absolute, shorter than %zu bytes, no comma)", device, sizeof(address.sun_path));
  path++;
  if (!is_server)
    return;
  memcpy(address.sun_path, path, strlen(path) + 1);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    WCX_DIE("port: socket: %s", strerror(errno));
  int status = connect(fd, (const struct sockaddr *)&address, sizeof(address));
  int why = errno;
  close(fd);
  if (status == 0 || why == EPROTOTYPE)
    WCX_DIE("port: memif socket %s is in use by another server: stop it, or give this one another path", path);
  if (why == ECONNREFUSED && unlink(path) != 0)
    WCX_DIE("port: cannot remove the abandoned memif socket %s: %s", path, strerror(errno));
  if (why != ECONNREFUSED && why != ENOENT)
    WCX_DIE("port: memif socket %s is not usable: %s", path, strerror(why));
}

/* --- set-up: EAL and the port -------------------------------------------------------------------- */

/* "0@(cpu,...),1@poll": the main lcore may use every CPU of this process but the poll core, or that one when there is no other. */
static void format_lcores(char *text, size_t text_sz, uint32_t poll_cpu)
{
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    WCX_DIE("port: sched_getaffinity: %s", strerror(errno));
  if (poll_cpu >= CPU_SETSIZE || !CPU_ISSET(poll_cpu, &allowed))
    WCX_DIE("port: CPU %u is not one of the %d this process may run on: choose another lcore for the shard, or widen the cpuset (nproc, taskset -p)", poll_cpu,
            CPU_COUNT(&allowed));
  size_t used = (size_t)snprintf(text, text_sz, "%u@(", MAIN_LCORE);
  bool is_first = true;
  for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
  {
    bool is_wanted = CPU_COUNT(&allowed) == 1 ? cpu == poll_cpu : CPU_ISSET(cpu, &allowed) && cpu != poll_cpu;
    if (!is_wanted || used + 32 > text_sz)
      continue;
    used += (size_t)snprintf(text + used, text_sz - used, is_first ? "%u" : ",%u", cpu);
    is_first = false;
  }
  snprintf(text + used, text_sz - used, "),%u@%u", POLL_LCORE, poll_cpu);
}

/* pci: the one device of that bus that may be looked at; NULL: none. */
static void start_eal(uint32_t poll_cpu, bool hugepages, const char *pci)
{
  char lcores[512];
  format_lcores(lcores, sizeof(lcores), poll_cpu);
  char *args[24] = {0};
  int arg_cnt = 0;
  const char *common[] = {"wcx-dataplane", "--lcores", lcores, "--main-lcore", "0", "--iova-mode=va", "--no-telemetry", "--log-level=*:warning"};
  for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
    args[arg_cnt++] = (char *)(uintptr_t)common[i];
  args[arg_cnt++] = (char *)(uintptr_t)(pci == NULL ? "--no-pci" : "-a");
  if (pci != NULL)
    args[arg_cnt++] = (char *)(uintptr_t)pci;
  const char *huge[] = {"--in-memory", NULL};
  const char *ordinary[] = {"--no-huge", "--no-shconf", "-m", ORDINARY_MEMORY_MIB, NULL};
  for (const char **arg = hugepages ? huge : ordinary; *arg != NULL; arg++)
    args[arg_cnt++] = (char *)(uintptr_t)*arg;
  setenv("LIBXDP_SKIP_DISPATCHER", "1", 1); /* one program per interface is enough, and the dispatcher needs a bpffs */
  if (rte_eal_init(arg_cnt, args) < 0)
    WCX_DIE("port: DPDK does not start: %s; its own message stands above", rte_strerror(rte_errno));
  rte_openlog_stream(stderr); /* not to syslog as well, which the poll thread cannot reach */
  if (rte_lcore_is_enabled(POLL_LCORE) == 0 || rte_get_main_lcore() != MAIN_LCORE)
    WCX_DIE("port: DPDK did not take the lcores '%s'", lcores);
}

/* Dies unless the device can be opened. Returns how many queues are received from. */
static uint16_t check_device(uint32_t kind, const char *device)
{
  switch (kind)
  {
  case WCX_PORT_AF_XDP:
    check_interface(device);
    return receive_queues(device);
  case WCX_PORT_AF_PACKET:
    check_interface(device);
    return 1;
  case WCX_PORT_MEMIF:
    check_memif(device);
    return 1;
  default:
    WCX_DIE("port: unknown kind %u (af_xdp is %d, af_packet %d, memif %d)", kind, WCX_PORT_AF_XDP, WCX_PORT_AF_PACKET, WCX_PORT_MEMIF);
  }
}

static void format_vdev(uint32_t kind, const char *device, uint16_t queue, char *name, size_t name_sz, char *args, size_t args_sz)
{
  if (kind == WCX_PORT_AF_XDP)
  {
    snprintf(name, name_sz, "net_af_xdp%u", queue);
    snprintf(args, args_sz, "iface=%s,start_queue=%u,queue_count=1,busy_budget=0", device, queue);
  }
  else if (kind == WCX_PORT_AF_PACKET)
  {
    snprintf(name, name_sz, "net_af_packet0");
    snprintf(args, args_sz, "iface=%s,qpairs=1,framesz=2048,blocksz=65536,framecnt=4096", device);
  }
  else
  {
    snprintf(name, name_sz, "net_memif0");
    snprintf(args, args_sz, "role=%.6s,id=0,socket=%s,socket-abstract=no,rsize=10,bsize=2048", device, strchr(device, ':') + 1);
  }
}

/* Whether the device stamps what it receives: it says so itself. Returns the offload to ask for. */
static uint64_t stamp_offload(wcx_port_t *port, uint16_t id)
{
  struct rte_eth_dev_info info;
  if (!port->wants_stamps)
    return 0;
  if (rte_eth_dev_info_get(id, &info) != 0 || (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) == 0)
    port->unstamped = "it has none";
  else if (rte_mbuf_dyn_rx_timestamp_register(&port->stamp_off, &port->stamp_flag) != 0)
    port->unstamped = "DPDK has no room for them";
  else
  {
    port->unstamped = NULL;
    return RTE_ETH_RX_OFFLOAD_TIMESTAMP;
  }
  return 0;
}

/* 0, or a negative errno. */
static int start_device(wcx_port_t *port, uint16_t id, uint16_t rx_cnt)
{
  struct rte_eth_conf conf = {.rxmode.offloads = stamp_offload(port, id)};
  uint16_t tx_cnt = RING_DESC_CNT;
  int status = rte_eth_dev_configure(id, 1, 1, &conf);
  if (status == 0)
    status = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx_cnt, &tx_cnt);
  if (status == 0)
    status = rte_eth_rx_queue_setup(id, 0, rx_cnt, (unsigned)SOCKET_ID_ANY, NULL, port->pool);
  if (status == 0)
    status = rte_eth_tx_queue_setup(id, 0, tx_cnt, (unsigned)SOCKET_ID_ANY, NULL);
  if (status == 0)
    status = rte_eth_dev_start(id);
  return status;
}

static uint16_t start_queue(wcx_port_t *port, uint32_t kind, const char *device, uint16_t queue)
{
  char name[32];
  char args[256];
  format_vdev(kind, device, queue, name, sizeof(name), args, sizeof(args));
  int status = rte_vdev_init(name, args);
  if (status != 0)
    WCX_DIE("port: %s refuses '%s': %s", name, args, strerror(-status));
  uint16_t id = 0;
  if (rte_eth_dev_get_port_by_name(name, &id) != 0)
    WCX_DIE("port: %s made no port", name);
  status = start_device(port, id, kind == WCX_PORT_AF_XDP ? AF_XDP_RING_DESC_CNT : RING_DESC_CNT);
  if (status != 0 && kind == WCX_PORT_MEMIF)
    WCX_DIE("port: memif '%s' does not start: %s; a client needs its server to run first", device, strerror(-status));
  if (status != 0)
    WCX_DIE("port: '%s' does not start: %s; if another process holds its queue, stop that one; if a killed one left its program behind: ip link set dev %s xdp off", device,
            strerror(-status), device);
  return id;
}

static void make_pool(wcx_port_t *port)
{
  port->pool = rte_pktmbuf_pool_create("wcx-frames", MBUF_CNT(port->queue_cnt), MBUF_CACHE_CNT, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (port->pool == NULL)
    WCX_DIE("port: no memory for %u frames: %s", MBUF_CNT(port->queue_cnt), rte_strerror(rte_errno));
  if (sem_init(&port->done, 0, 0) != 0 || sem_init(&port->parked, 0, 0) != 0)
    WCX_DIE("port: sem_init: %s", strerror(errno));
}

wcx_port_t *wcx_port_open(uint32_t kind, const char *device, uint32_t lcore, bool hugepages)
{
  wcx_port_t *port = &the_port;
  WCX_CHECK(port->pool == NULL, "one port per process");
  port->queue_cnt = check_device(kind, device);
  if (hugepages)
    check_huge_pages();
  start_eal(lcore, hugepages, NULL);
  make_pool(port);
  port->is_tx_counted = kind == WCX_PORT_AF_PACKET;
  for (uint16_t queue = 0; queue < port->queue_cnt; queue++)
    port->ids[queue] = start_queue(port, kind, device, queue);
  return port;
}

/* --- set-up: any device -------------------------------------------------------------------------- */

/* The port of a device that DPDK names: "net_memif0,role=client,..", "0000:03:00.2". A PCI device writes into huge pages. */
static wcx_port_t *open_any(const char *devargs, uint32_t lcore)
{
  wcx_port_t *port = &the_port;
  bool is_pci = strncmp(devargs, "net_", 4) != 0;
  struct rte_eth_dev_info info;
  if (is_pci)
    check_huge_pages();
  start_eal(lcore, is_pci, is_pci ? devargs : NULL);
  int status = is_pci ? 0 : rte_dev_probe(devargs);
  if (status != 0)
    WCX_DIE("port: no driver takes '%s': %s", devargs, strerror(-status));
  if (rte_eth_dev_count_avail() != 1)
    WCX_DIE("port: '%s' is %u ports, wanted one: a PCI device must be bound to vfio-pci (dpdk-devbind.py --status), and DPDK must have a driver for it", devargs,
            rte_eth_dev_count_avail());
  port->queue_cnt = 1;
  port->ids[0] = (uint16_t)rte_eth_find_next(0);
  make_pool(port);
  status = rte_eth_dev_info_get(port->ids[0], &info);
  if (status == 0)
  {
    bool is_xdp = strcmp(info.driver_name, "net_af_xdp") == 0;
    port->is_tx_counted = strcmp(info.driver_name, "net_af_packet") == 0;
    status = start_device(port, port->ids[0], is_xdp ? AF_XDP_RING_DESC_CNT : RING_DESC_CNT);
  }
  if (status != 0)
    WCX_DIE("port: '%s' does not start: %s", devargs, strerror(-status));
  return port;
}

wcx_port_t *wcx_port_open_named(const char *name, uint32_t lcore)
{
  static const struct
  {
    const char *prefix;
    uint32_t kind;
  } kinds[] = {{"af_xdp:", WCX_PORT_AF_XDP}, {"af_packet:", WCX_PORT_AF_PACKET}, {"memif:", WCX_PORT_MEMIF}};
  the_port.wants_stamps = true;
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
    if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
      return wcx_port_open(kinds[i].kind, name + strlen(kinds[i].prefix), lcore, false);
  return open_any(name, lcore);
}

void wcx_port_close(wcx_port_t *port)
{
  for (uint16_t queue = 0; queue < port->queue_cnt; queue++)
  {
    rte_eth_dev_stop(port->ids[queue]);
    rte_eth_dev_close(port->ids[queue]);
  }
  /* No rte_eal_cleanup: it would wait for the poll thread to be back in EAL, and neither --in-memory nor --no-shconf leaves a file behind. */
}

void wcx_port_mac(const wcx_port_t *port, uint8_t mac[6])
{
  struct rte_ether_addr address;
  int status = rte_eth_macaddr_get(port->ids[0], &address);
  WCX_CHECK(status == 0, "rte_eth_macaddr_get: %d", status);
  memcpy(mac, address.addr_bytes, 6);
}

static int run_on_poll_lcore(void *arg)
{
  wcx_port_t *port = arg;
  port->fn(port->arg);
  sem_post(&port->done);
  /* Back in EAL this thread would wait in read(), which it may have given up (confine.h): it waits here for the end of the process. */
  while (sem_wait(&port->parked) != 0)
    ;
  return 0;
}

void wcx_port_run(wcx_port_t *port, void (*fn)(void *arg), void *arg)
{
  port->fn = fn;
  port->arg = arg;
  int status = rte_eal_remote_launch(run_on_poll_lcore, port, POLL_LCORE);
  WCX_CHECK(status == 0, "rte_eal_remote_launch: %d", status);
  /* rte_eal_wait_lcore would spin */
  while (sem_wait(&port->done) != 0)
    WCX_CHECK(errno == EINTR, "sem_wait: %s", strerror(errno));
}

/* --- the loop ------------------------------------------------------------------------------------ */

static uint16_t receive(wcx_port_t *port, struct rte_mbuf **mbufs, uint16_t want_cnt)
{
  uint16_t got_cnt = 0;
  uint16_t queue = port->first_queue;
  for (uint16_t i = 0; i < port->queue_cnt && got_cnt < want_cnt; i++)
  {
    got_cnt = (uint16_t)(got_cnt + rte_eth_rx_burst(port->ids[queue], 0, mbufs + got_cnt, (uint16_t)(want_cnt - got_cnt)));
    queue = (uint16_t)(queue + 1) == port->queue_cnt ? 0 : (uint16_t)(queue + 1);
  }
  if (got_cnt == want_cnt) /* a queue that fills bursts by itself does not keep the others waiting */
    port->first_queue = queue;
  return got_cnt;
}

uint32_t wcx_port_rx(wcx_port_t *port, wcx_frame_t *frames, uint32_t max)
{
  struct rte_mbuf *mbufs[WCX_PORT_BURST_MAX];
  uint16_t got_cnt = receive(port, mbufs, (uint16_t)(max < WCX_PORT_BURST_MAX ? max : WCX_PORT_BURST_MAX));
  uint32_t frame_cnt = 0;
  for (uint16_t i = 0; i < got_cnt; i++)
  {
    struct rte_mbuf *mbuf = mbufs[i];
    if (mbuf->nb_segs != 1 || mbuf->data_len > WCX_FRAME_SZ_MAX)
    {
      rte_pktmbuf_free(mbuf);
      continue;
    }
    frames[frame_cnt++] = (wcx_frame_t){.data = rte_pktmbuf_mtod(mbuf, uint8_t *), .len = mbuf->data_len, .handle = mbuf};
  }
  return frame_cnt;
}

bool wcx_port_alloc(wcx_port_t *port, wcx_frame_t *frame)
{
  struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->pool);
  if (mbuf == NULL)
    return false;
  *frame = (wcx_frame_t){.data = rte_pktmbuf_mtod(mbuf, uint8_t *), .len = 0, .handle = mbuf};
  return true;
}

void wcx_port_free(wcx_port_t *port, wcx_frame_t *frame)
{
  (void)port;
  rte_pktmbuf_free_seg(frame->handle);
}

/* af_packet frees what it copied into its ring and yet returns 0 when the kick that follows fails. A second reference of ours tells what it really took:
   those frames are in the ring and leave with the next kick. */
static uint32_t send_counted(wcx_port_t *port, struct rte_mbuf **mbufs, uint16_t cnt)
{
  for (uint16_t i = 0; i < cnt; i++)
    rte_mbuf_refcnt_update(mbufs[i], 1);
  (void)rte_eth_tx_burst(port->ids[0], 0, mbufs, cnt);
  uint32_t sent_cnt = 0;
  for (uint16_t i = 0; i < cnt; i++)
  {
    if (rte_mbuf_refcnt_read(mbufs[i]) == 1)
    {
      WCX_CHECK(sent_cnt == i, "frame %u was taken after frame %u was not", i, sent_cnt);
      rte_pktmbuf_free_seg(mbufs[i]);
      sent_cnt++;
    }
    else
      rte_mbuf_refcnt_update(mbufs[i], -1);
  }
  return sent_cnt;
}

uint32_t wcx_port_tx(wcx_port_t *port, wcx_frame_t *frames, uint32_t cnt)
{
  struct rte_mbuf *mbufs[WCX_PORT_BURST_MAX];
  uint16_t send_cnt = (uint16_t)(cnt < WCX_PORT_BURST_MAX ? cnt : WCX_PORT_BURST_MAX);
  for (uint16_t i = 0; i < send_cnt; i++)
  {
    WCX_CHECK(frames[i].len > 0 && frames[i].len <= WCX_FRAME_SZ_MAX, "frame of %u bytes", frames[i].len);
    struct rte_mbuf *mbuf = frames[i].handle;
    mbuf->data_len = (uint16_t)frames[i].len;
    mbuf->pkt_len = frames[i].len;
    mbufs[i] = mbuf;
  }
  if (port->is_tx_counted)
    return send_counted(port, mbufs, send_cnt);
  return rte_eth_tx_burst(port->ids[0], 0, mbufs, send_cnt);
}

/* --- for load generators ------------------------------------------------------------------------- */

const char *wcx_port_unstamped(const wcx_port_t *port)
{
  return port->unstamped;
}

void wcx_port_read_clock(wcx_port_t *port)
{
  uint64_t ticks = 0;
  if (port->unstamped != NULL)
    return;
  uint64_t before_ns = wcx_env_mono_ns();
  if (rte_eth_read_clock(port->ids[0], &ticks) == 0)
    wcx_port_clock_read(&port->clock, before_ns + (wcx_env_mono_ns() - before_ns) / 2, ticks);
  else
    port->unstamped = "it stamps, and does not tell its clock";
}

uint64_t wcx_port_came_ns(const wcx_port_t *port, const wcx_frame_t *frame)
{
  const struct rte_mbuf *mbuf = frame->handle;
  if (port->unstamped != NULL || (mbuf->ol_flags & port->stamp_flag) == 0)
    return 0;
  return wcx_port_clock_ns(&port->clock, *RTE_MBUF_DYNFIELD(mbuf, (size_t)port->stamp_off, const rte_mbuf_timestamp_t *));
}

uint64_t wcx_port_missed(const wcx_port_t *port)
{
  uint64_t missed = 0;
  for (uint16_t queue = 0; queue < port->queue_cnt; queue++)
  {
    struct rte_eth_stats stats;
    if (rte_eth_stats_get(port->ids[queue], &stats) == 0)
      missed += stats.imissed + stats.ierrors + stats.rx_nombuf + stats.oerrors;
  }
  return missed;
}
