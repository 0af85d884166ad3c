#include "bench/preflight.h"

#include "bench/cli.h"
#include "bench/host_file.h"
#include "bench/json_text.h"
#include "bench/noise.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOISE_GAP_MAX_NS UINT64_C(10000)
#define NOISE_AWAY_PPM_MAX UINT64_C(100)
#define IRQS_NAMED 12u

typedef struct check
{
  wcx_preflight_t *preflight;
  const wcx_preflight_config_t *config;
} check_t;

static wcx_preflight_item_t *add(const check_t *check, const char *name, const char *wanted)
{
  wcx_preflight_item_t *item = &check->preflight->items[check->preflight->item_cnt++];
  *item = (wcx_preflight_item_t){.name = name, .fitness = WCX_FITNESS_UNKNOWN};
  snprintf(item->wanted, sizeof(item->wanted), "%s", wanted);
  return item;
}

#define SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

/* A fix is for what is not fit. */
#define JUDGE(item, good, ...)                                                                                                                                                     \
  do                                                                                                                                                                               \
  {                                                                                                                                                                                \
    (item)->fitness = (good) ? WCX_FITNESS_FIT : WCX_FITNESS_UNFIT;                                                                                                                \
    if ((item)->fitness == WCX_FITNESS_UNFIT)                                                                                                                                      \
      SAY((item)->fix, __VA_ARGS__);                                                                                                                                               \
  } while (0)

/* --- the core --------------------------------------------------------------------------------------------------------------------------- */

static void check_isolation(const check_t *check)
{
  char list[256], partition[256] = "";
  wcx_preflight_item_t *item = add(check, "isolation", "the poll loop's CPU among the isolated ones");
  if (!wcx_host_line(check->config->root, "/sys/devices/system/cpu/isolated", list, sizeof(list)))
    return;
  (void)wcx_host_line(check->config->root, "/sys/fs/cgroup/cpuset.cpus.isolated", partition, sizeof(partition));
  SAY(item->state, "isolcpus: %s; cgroup partitions: %s", list[0] != 0 ? list : "none", partition[0] != 0 ? partition : "none");
  JUDGE(item, wcx_host_list_has(list, check->config->cpu) || wcx_host_list_has(partition, check->config->cpu),
        "isolcpus=managed_irq,domain,%d on the kernel command line, or a cgroup with cpuset.cpus=%d and cpuset.cpus.partition=isolated", check->config->cpu, check->config->cpu);
}

static void check_nohz(const check_t *check)
{
  char list[256];
  wcx_preflight_item_t *item = add(check, "nohz_full", "no timer tick on the poll loop's CPU");
  bool told = wcx_host_line(check->config->root, "/sys/devices/system/cpu/nohz_full", list, sizeof(list));
  SAY(item->state, "nohz_full: %s", !told ? "not of this kernel (CONFIG_NO_HZ_FULL)" : list[0] != 0 ? list : "none");
  JUDGE(item, told && wcx_host_list_has(list, check->config->cpu), "nohz_full=%d rcu_nocbs=%d on the command line of a kernel with CONFIG_NO_HZ_FULL", check->config->cpu,
        check->config->cpu);
}

static void check_governor(const check_t *check)
{
  char path[128], governor[64];
  wcx_preflight_item_t *item = add(check, "governor", "performance");
  SAY(path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", check->config->cpu);
  if (!wcx_host_line(check->config->root, path, governor, sizeof(governor)))
  {
    SAY(item->state, "no cpufreq here: a guest's host decides");
    return;
  }
  SAY(item->state, "%s", governor);
  JUDGE(item, strcmp(governor, "performance") == 0, "echo performance >%s", path);
}

static void check_smt(const check_t *check)
{
  char path[128], siblings[128], alone[16];
  wcx_preflight_item_t *item = add(check, "smt", "no sibling on the poll loop's core");
  SAY(path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", check->config->cpu);
  if (!wcx_host_line(check->config->root, path, siblings, sizeof(siblings)))
    return;
  SAY(alone, "%d", check->config->cpu);
  SAY(item->state, "siblings: %s", siblings);
  JUDGE(item, strcmp(siblings, alone) == 0, "echo off >/sys/devices/system/cpu/smt/control");
}

static void check_clock(const check_t *check)
{
  char source[64], flags[4096];
  wcx_preflight_item_t *item = add(check, "clock", "tsc, constant and nonstop");
  if (!wcx_host_line(check->config->root, "/sys/devices/system/clocksource/clocksource0/current_clocksource", source, sizeof(source)))
    return;
  bool found = wcx_host_line_of(check->config->root, "/proc/cpuinfo", "flags", flags, sizeof(flags));
  bool steady = found && strstr(flags, " constant_tsc") != NULL && strstr(flags, " nonstop_tsc") != NULL;
  SAY(item->state, "%s, %s", source, steady ? "constant and nonstop" : "not told to be constant and nonstop");
  JUDGE(item, strcmp(source, "tsc") == 0 && steady,
        "echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource; clocksource=tsc tsc=reliable on the kernel command line");
}

static void check_noise(const check_t *check)
{
  static wcx_noise_t noise;
  wcx_preflight_item_t *item = add(check, "noise", "no gap above 10 us, away for less than 100 us of a second");
  if (check->config->noise_ms == 0)
    return;
  if (!wcx_noise_measure(&noise, check->config->cpu, check->config->noise_ms))
  {
    SAY(item->state, "CPU %d is not to be had", check->config->cpu);
    JUDGE(item, false, "name a CPU of this machine that the process may use: --cpu N");
    return;
  }
  uint64_t ppm = noise.away_ns * 1000000 / noise.measured_ns;
  SAY(item->state, "%" PRIu64 " gaps above %u ns in %u ms: p50 %" PRIu64 ", p99 %" PRIu64 ", longest %" PRIu64 " ns; away %" PRIu64 " us of a second", noise.gaps.cnt,
      WCX_NOISE_GAP_NS, check->config->noise_ms, wcx_hdr_percentile(&noise.gaps, 500000), wcx_hdr_percentile(&noise.gaps, 990000), noise.gaps.max, ppm);
  JUDGE(item, noise.gaps.max <= NOISE_GAP_MAX_NS && ppm <= NOISE_AWAY_PPM_MAX, "what the items above say; in a guest, a CPU of the host that is its own");
}

/* --- interrupts ------------------------------------------------------------------------------------------------------------------------- */

static void add_irq(const check_t *check, wcx_preflight_item_t *item, const char *number, uint32_t *cnt)
{
  char path[128], key[32], list[128], line[1024];
  SAY(path, "/proc/irq/%s/effective_affinity_list", number);
  if (!wcx_host_line(check->config->root, path, list, sizeof(list)) || !wcx_host_list_has(list, check->config->cpu))
    return;
  SAY(key, "%s:", number);
  const char *name = "?";
  if (wcx_host_line_of(check->config->root, "/proc/interrupts", key, line, sizeof(line)) && strrchr(line, ' ') != NULL)
    name = strrchr(line, ' ') + 1;
  if (++*cnt > IRQS_NAMED)
    return;
  size_t sz = strlen(item->state);
  snprintf(item->state + sz, sizeof(item->state) - sz, "%s%s (%s)", sz == 0 ? "" : ", ", number, name);
  sz = strlen(item->fix);
  snprintf(item->fix + sz, sizeof(item->fix) - sz, "%s%s", sz == 0 ? "" : " ", number);
}

static void check_irqs(const check_t *check)
{
  char path[512], numbers[512];
  uint32_t cnt = 0;
  wcx_preflight_item_t *item = add(check, "irqs", "none on the poll loop's CPU, the disk's neither");
  SAY(path, "%s/proc/irq", check->config->root);
  DIR *dir = opendir(path);
  if (dir == NULL)
    return;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && strlen(entry->d_name) < 8)
      add_irq(check, item, entry->d_name, &cnt);
  closedir(dir);
  SAY(numbers, "%s", item->fix);
  item->fix[0] = 0;
  if (cnt == 0)
    SAY(item->state, "none");
  if (cnt > IRQS_NAMED)
    snprintf(item->state + strlen(item->state), sizeof(item->state) - strlen(item->state), " and %u more", cnt - IRQS_NAMED);
  JUDGE(item, cnt == 0, "for i in %.300s; do echo %d >/proc/irq/$i/smp_affinity_list; done; a queue's own one that stays: isolcpus=managed_irq,%d", numbers,
        check->config->cpu == 0 ? 1 : 0, check->config->cpu);
}

/* --- memory ----------------------------------------------------------------------------------------------------------------------------- */

/* The node of a CPU: a folder nodeN beside its files. -1: not told. */
static int node_of_cpu(const check_t *check)
{
  char path[512];
  SAY(path, "%s/sys/devices/system/cpu/cpu%d", check->config->root, check->config->cpu);
  DIR *dir = opendir(path);
  int node = -1;
  for (struct dirent *entry; dir != NULL && node < 0 && (entry = readdir(dir)) != NULL;)
    if (sscanf(entry->d_name, "node%d", &node) != 1)
      node = -1;
  if (dir != NULL)
    closedir(dir);
  return node;
}

static uint64_t free_huge_mib(const check_t *check, int node)
{
  static const uint64_t sizes_kib[] = {2048, 1048576};
  uint64_t mib = 0;
  for (uint32_t i = 0; i < 2; i++)
  {
    char path[192], text[32];
    uint64_t pages;
    SAY(path, "/sys/devices/system/node/node%d/hugepages/hugepages-%" PRIu64 "kB/free_hugepages", node < 0 ? 0 : node, sizes_kib[i]);
    if (wcx_host_line(check->config->root, path, text, sizeof(text)) && wcx_cli_number(text, 0, UINT32_MAX, &pages))
      mib += pages * sizes_kib[i] / 1024;
  }
  return mib;
}

static void check_numa(const check_t *check)
{
  char path[192], text[32];
  wcx_preflight_item_t *item = add(check, "numa", "NIC, CPU and huge pages on one node");
  int cpu_node = node_of_cpu(check);
  int nic_node = -1;
  if (check->config->nic != NULL)
  {
    SAY(path, "/sys/class/net/%s/device/numa_node", check->config->nic);
    if (wcx_host_line(check->config->root, path, text, sizeof(text)))
      nic_node = atoi(text);
  }
  uint64_t mib = free_huge_mib(check, cpu_node);
  SAY(item->state, "CPU %d: node %d; NIC %s: node %d%s; huge pages free on the CPU's node: %" PRIu64 " MiB", check->config->cpu, cpu_node,
      check->config->nic == NULL ? "none named" : check->config->nic, nic_node, nic_node < 0 ? " (not told)" : "", mib);
  if (cpu_node < 0)
    return;
  JUDGE(item, nic_node < 0 || nic_node == cpu_node, "shards.lcore: a CPU of node %d, where the NIC is", nic_node);
}

static void check_huge_pages(const check_t *check)
{
  wcx_preflight_item_t *item = add(check, "huge_pages", "");
  int node = node_of_cpu(check);
  uint64_t mib = free_huge_mib(check, node);
  SAY(item->wanted, "%u MiB free on the CPU's node", check->config->huge_mib);
  SAY(item->state, "%" PRIu64 " MiB free", mib);
  JUDGE(item, mib >= check->config->huge_mib, "echo %u >/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", (check->config->huge_mib + 1) / 2,
        node < 0 ? 0 : node);
}

static void check_pages(const check_t *check)
{
  char thp[128];
  wcx_preflight_item_t *item = add(check, "pages", "4096 bytes; transparent huge pages on advice, or never");
  if (!wcx_host_line(check->config->root, "/sys/kernel/mm/transparent_hugepage/enabled", thp, sizeof(thp)))
    return;
  SAY(item->state, "%ld bytes; transparent: %s", sysconf(_SC_PAGESIZE), thp);
  JUDGE(item, sysconf(_SC_PAGESIZE) == 4096 && strstr(thp, "[always]") == NULL, "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled");
}

/* --- for the record --------------------------------------------------------------------------------------------------------------------- */

static void note_kernel(const check_t *check)
{
  char line[sizeof(((wcx_preflight_item_t *)0)->state)];
  wcx_preflight_item_t *item = add(check, "kernel_command_line", "nothing; for the record");
  if (!wcx_host_line(check->config->root, "/proc/cmdline", line, sizeof(line)))
    return;
  SAY(item->state, "%s", line);
  item->fitness = WCX_FITNESS_NOTE;
}

static void note_mitigations(const check_t *check)
{
  char path[512];
  wcx_preflight_item_t *item = add(check, "mitigations", "nothing; for the record, since they cost time");
  SAY(path, "%s/sys/devices/system/cpu/vulnerabilities", check->config->root);
  DIR *dir = opendir(path);
  if (dir == NULL)
    return;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
  {
    char line[128];
    SAY(path, "/sys/devices/system/cpu/vulnerabilities/%s", entry->d_name);
    size_t sz = strlen(item->state);
    if (entry->d_name[0] != '.' && wcx_host_line(check->config->root, path, line, sizeof(line)) && strcmp(line, "Not affected") != 0)
      snprintf(item->state + sz, sizeof(item->state) - sz, "%s%s: %s", sz == 0 ? "" : "; ", entry->d_name, line);
  }
  closedir(dir);
  if (item->state[0] == 0)
    SAY(item->state, "none needed");
  item->fitness = WCX_FITNESS_NOTE;
}

void wcx_preflight_check(wcx_preflight_t *preflight, const wcx_preflight_config_t *config)
{
  static void (*const checks[])(const check_t *) = {check_isolation, check_nohz,       check_governor, check_smt,   check_irqs,  check_numa,
                                                    check_pages,     check_huge_pages, check_clock,    check_noise, note_kernel, note_mitigations};
  const check_t check = {preflight, config};
  *preflight = (wcx_preflight_t){.fit = true};
  for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
  {
    checks[i](&check);
    preflight->fit = preflight->fit && preflight->items[i].fitness != WCX_FITNESS_UNFIT;
  }
}

/* --- the command ------------------------------------------------------------------------------------------------------------------------ */

const char *wcx_fitness_text(enum wcx_fitness fitness)
{
  static const char *const texts[] = {[WCX_FITNESS_FIT] = "fit", [WCX_FITNESS_UNFIT] = "unfit", [WCX_FITNESS_UNKNOWN] = "unknown", [WCX_FITNESS_NOTE] = "note"};
  return texts[fitness];
}

void wcx_preflight_json(const wcx_preflight_t *preflight, FILE *file)
{
  fprintf(file, "{\"fit\":%s,\"items\":[", preflight->fit ? "true" : "false");
  for (uint32_t i = 0; i < preflight->item_cnt; i++)
  {
    const wcx_preflight_item_t *item = &preflight->items[i];
    const char *const pairs[][2] = {{"name", item->name}, {"fitness", wcx_fitness_text(item->fitness)}, {"state", item->state}, {"wanted", item->wanted}, {"fix", item->fix}};
    fputs(i == 0 ? "{" : ",{", file);
    for (uint32_t k = 0; k < 5; k++)
    {
      fprintf(file, "%s\"%s\":", k == 0 ? "" : ",", pairs[k][0]);
      wcx_json_text(file, pairs[k][1]);
    }
    fputc('}', file);
  }
  fputs("]}", file);
}

static void print_table(const wcx_preflight_t *preflight)
{
  for (uint32_t i = 0; i < preflight->item_cnt; i++)
  {
    const wcx_preflight_item_t *item = &preflight->items[i];
    printf("%-8s %-20s %s\n", wcx_fitness_text(item->fitness), item->name, item->state[0] != 0 ? item->state : "not told here");
    if (item->fitness == WCX_FITNESS_UNFIT)
      printf("%30swanted: %s\n%30sfix: %s\n", "", item->wanted, "", item->fix);
  }
  puts(preflight->fit ? "this host is fit" : "this host is not fit: what is measured on it is marked so");
}

static const char help[] = "wcx-bench preflight: is this host fit to be measured on? Exit status 0: it is; 1: it is not\n"
                           "  --cpu N            the poll loop's (the last one)\n"
                           "  --nic NAME         the interface that is measured through\n"
                           "  --huge-mib N       huge pages wanted (1024)\n"
                           "  --noise-ms N       how long the core's own noise is listened to (1000; 0: not)\n"
                           "  --json             one line of JSON\n";

int wcx_preflight_bench(int argc, char **argv)
{
  static wcx_preflight_t preflight;
  wcx_preflight_config_t config = {.root = "", .cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1, .huge_mib = 1024, .noise_ms = 1000};
  bool json = false;
  const wcx_cli_option_t known[] = {{"cpu", WCX_CLI_CPU, &config.cpu, 0, 0, 0},
                                    {"nic", WCX_CLI_TEXT, &config.nic, 0, 0, 0},
                                    {"huge-mib", WCX_CLI_U32, &config.huge_mib, 0, 1u << 20, 0},
                                    {"noise-ms", WCX_CLI_U32, &config.noise_ms, 0, 60000, 0},
                                    {"json", WCX_CLI_FLAG, &json, 0, 0, 0},
                                    {0}};
  int status = wcx_cli_options("preflight", help, known, argc, argv);
  if (status != 0)
    return status;
  wcx_preflight_check(&preflight, &config);
  if (json)
  {
    wcx_preflight_json(&preflight, stdout);
    putchar('\n');
  }
  else
    print_table(&preflight);
  return preflight.fit ? 0 : 1;
}
