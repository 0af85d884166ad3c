/* bench/preflight.h on made hosts: a fit one, and one fault after the other planted into it; lists of CPUs; the noise floor; JSON texts. */
#include "bench/host_file.h"
#include "bench/json_text.h"
#include "bench/noise.h"
#include "bench/preflight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static void put(const char *path, const char *text)
{
  char full[512];
  snprintf(full, sizeof(full), "%s%s", root, path);
  for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++)
  {
    *slash = 0;
    (void)mkdir(full, 0700);
    *slash = '/';
  }
  FILE *file = fopen(full, "w");
  assert_non_null(file);
  fprintf(file, "%s\n", text);
  fclose(file);
}

static int make_host(void **state)
{
  (void)state;
  strcpy(root, "/tmp/wcx-host-XXXXXX");
  assert_non_null(mkdtemp(root));
  put("/sys/devices/system/cpu/isolated", "2-3,5");
  put("/sys/devices/system/cpu/nohz_full", "3");
  put("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance");
  put("/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "3");
  put("/sys/devices/system/cpu/cpu3/node1/here", "");
  put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "256");
  put("/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/free_hugepages", "1");
  put("/sys/class/net/fast0/device/numa_node", "1");
  put("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
  put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc");
  put("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu constant_tsc nonstop_tsc");
  put("/proc/irq/41/effective_affinity_list", "0");
  put("/proc/interrupts", "      CPU0 CPU3\n 41:  7  9  PCI-MSIX  1-edge  nvme0q1");
  put("/proc/cmdline", "isolcpus=2-3,5 name=\"x\"");
  put("/sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected");
  put("/sys/devices/system/cpu/vulnerabilities/spectre_v1", "Mitigation: barriers");
  return 0;
}

static int remove_host(void **state)
{
  (void)state;
  char command[128];
  snprintf(command, sizeof(command), "rm -r %s", root);
  return system(command);
}

static wcx_preflight_t preflight;

static const wcx_preflight_item_t *check(const char *name)
{
  const wcx_preflight_config_t config = {.root = root, .cpu = 3, .nic = "fast0", .huge_mib = 1500};
  wcx_preflight_check(&preflight, &config);
  for (uint32_t i = 0; i < preflight.item_cnt; i++)
    if (strcmp(preflight.items[i].name, name) == 0)
      return &preflight.items[i];
  fail_msg("no item %s", name);
  return NULL;
}

static void test_fit_host(void **state)
{
  (void)state;
  assert_string_equal(check("mitigations")->state, "spectre_v1: Mitigation: barriers");
  for (uint32_t i = 0; i < preflight.item_cnt; i++)
  {
    enum wcx_fitness wanted = strcmp(preflight.items[i].name, "noise") == 0 ? WCX_FITNESS_UNKNOWN : i >= preflight.item_cnt - 2 ? WCX_FITNESS_NOTE : WCX_FITNESS_FIT;
    assert_int_equal(preflight.items[i].fitness, wanted);
    assert_string_equal(preflight.items[i].fix, "");
  }
  assert_int_equal(preflight.item_cnt, 12);
  assert_true(preflight.fit);
}

/* Each alone makes the host unfit, names what was found and says what to do. */
static void test_planted_faults(void **state)
{
  (void)state;
  static const struct
  {
    const char *item, *path, *text, *says, *fix;
  } faults[] = {
      {"isolation", "/sys/devices/system/cpu/isolated", "0-2,4", "isolcpus: 0-2,4", "isolcpus=managed_irq,domain,3"},
      {"nohz_full", "/sys/devices/system/cpu/nohz_full", "", "none", "nohz_full=3"},
      {"governor", "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave", "powersave", "echo performance >/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor"},
      {"smt", "/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "3,7", "3,7", "echo off >"},
      {"irqs", "/proc/irq/41/effective_affinity_list", "2-4", "41 (nvme0q1)", "for i in 41; do echo 0 >/proc/irq/$i/smp_affinity_list; done"},
      {"numa", "/sys/class/net/fast0/device/numa_node", "0", "NIC fast0: node 0", "node 0"},
      {"huge_pages", "/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/free_hugepages", "0", "512 MiB free", "echo 750 >/sys/devices/system/node/node1"},
      {"pages", "/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never", "[always]", "echo madvise >"},
      {"clock", "/sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock", "kvm-clock", "echo tsc >"},
      {"clock", "/proc/cpuinfo", "flags\t\t: fpu constant_tsc", "not told to be", "tsc=reliable"},
  };
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
  {
    put(faults[i].path, faults[i].text);
    const wcx_preflight_item_t *item = check(faults[i].item);
    assert_int_equal(item->fitness, WCX_FITNESS_UNFIT);
    assert_false(preflight.fit);
    assert_non_null(strstr(item->state, faults[i].says));
    assert_non_null(strstr(item->fix, faults[i].fix));
    assert_int_equal(remove_host(NULL), 0);
    make_host(NULL);
  }
}

/* cgroup v2 may have isolated the CPU instead. */
static void test_cgroup_partition(void **state)
{
  (void)state;
  put("/sys/devices/system/cpu/isolated", "");
  put("/sys/fs/cgroup/cpuset.cpus.isolated", "3");
  assert_int_equal(check("isolation")->fitness, WCX_FITNESS_FIT);
}

/* What nobody tells is unknown, and no reason to call a host unfit. */
static void test_untold(void **state)
{
  (void)state;
  char path[128];
  snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", root);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(check("governor")->fitness, WCX_FITNESS_UNKNOWN);
  assert_true(preflight.fit);
}

static void test_lists(void **state)
{
  (void)state;
  assert_true(wcx_host_list_has("0-2,5", 0) && wcx_host_list_has("0-2,5", 2) && wcx_host_list_has("0-2,5", 5));
  assert_false(wcx_host_list_has("0-2,5", 3) || wcx_host_list_has("", 0) || wcx_host_list_has("10", 1) || wcx_host_list_has("(null)", 0));
}

static void test_json(void **state)
{
  (void)state;
  char text[16384] = "";
  FILE *file = fmemopen(text, sizeof(text), "w");
  wcx_json_text(file, "a\"b\\c\n");
  (void)check("smt");
  wcx_preflight_json(&preflight, file);
  fclose(file);
  assert_non_null(strstr(text, "\"a\\\"b\\\\c\\u000a\"{\"fit\":true,\"items\":[{\"name\":\"isolation\",\"fitness\":\"fit\",\"state\":"));
  assert_non_null(strstr(text, "name=\\\"x\\\""));
}

/* It measures for as long as it was told to, on a CPU there is, and this thread is free afterwards. */
static void test_noise(void **state)
{
  (void)state;
  static wcx_noise_t noise;
  int cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
  assert_true(wcx_noise_measure(&noise, cpu, 50));
  assert_true(noise.measured_ns >= 49000000);
  assert_true(noise.away_ns >= noise.gaps.cnt * (WCX_NOISE_GAP_NS - 10) && noise.gaps.max >= noise.gaps.min);
  assert_false(wcx_noise_measure(&noise, 1023, 1));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_fit_host, make_host, remove_host),
      cmocka_unit_test_setup_teardown(test_planted_faults, make_host, remove_host),
      cmocka_unit_test_setup_teardown(test_cgroup_partition, make_host, remove_host),
      cmocka_unit_test_setup_teardown(test_untold, make_host, remove_host),
      cmocka_unit_test_setup_teardown(test_json, make_host, remove_host),
      cmocka_unit_test(test_lists),
      cmocka_unit_test(test_noise),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
