/* A network card with a clock, for wcx-wire on a machine that has none: linked around DPDK (-Wl,--wrap), any port says that it stamps what it receives, and does.

   Its clock counts 8 ns a tick from a number of its own. A frame is stamped AHEAD_NS late, so that whoever takes the stamps for the time of arrival finds no answer sooner
   than that, and whoever reads another clock finds all of them sooner. */
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#define TICK_NS 8u
#define AHEAD_NS 5000000u
#define ORIGIN (UINT64_C(1) << 50)

int __real_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __real_rte_eth_dev_configure(uint16_t id, uint16_t rx_cnt, uint16_t tx_cnt, const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_configure(uint16_t id, uint16_t rx_cnt, uint16_t tx_cnt, const struct rte_eth_conf *conf);
int __real_rte_eth_dev_start(uint16_t id);
int __wrap_rte_eth_dev_start(uint16_t id);
int __wrap_rte_eth_read_clock(uint16_t id, uint64_t *ticks);

static bool is_asked;
static int stamp_off;
static uint64_t stamp_flag;

static uint64_t ticks_of(uint64_t ns)
{
  return ORIGIN + ns / TICK_NS;
}

int __wrap_rte_eth_read_clock(uint16_t id, uint64_t *ticks)
{
  (void)id;
  *ticks = ticks_of(wcx_env_mono_ns());
  return 0;
}

int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
  int status = __real_rte_eth_dev_info_get(id, info);
  info->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
  return status;
}

/* As a driver does: the field is registered when the offload is asked for. */
int __wrap_rte_eth_dev_configure(uint16_t id, uint16_t rx_cnt, uint16_t tx_cnt, const struct rte_eth_conf *conf)
{
  struct rte_eth_conf without = *conf;
  is_asked = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0;
  without.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_TIMESTAMP;
  if (is_asked && rte_mbuf_dyn_rx_timestamp_register(&stamp_off, &stamp_flag) != 0)
    WCX_DIE("no dynamic field");
  return __real_rte_eth_dev_configure(id, rx_cnt, tx_cnt, &without);
}

static uint16_t stamp(uint16_t id, uint16_t queue, struct rte_mbuf **mbufs, uint16_t cnt, uint16_t max, void *arg)
{
  (void)id;
  (void)queue;
  (void)max;
  (void)arg;
  for (uint16_t i = 0; i < cnt; i++)
  {
    *RTE_MBUF_DYNFIELD(mbufs[i], (size_t)stamp_off, rte_mbuf_timestamp_t *) = ticks_of(wcx_env_mono_ns() + AHEAD_NS);
    mbufs[i]->ol_flags |= stamp_flag;
  }
  return cnt;
}

int __wrap_rte_eth_dev_start(uint16_t id)
{
  if (is_asked && rte_eth_add_rx_callback(id, 0, stamp, NULL) == NULL)
    WCX_DIE("no callback");
  return __real_rte_eth_dev_start(id);
}
