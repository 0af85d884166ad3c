# The one-command life of the appliance. `make help` lists the targets.
#   V=1                     show every command
#   SANITIZER=address|undefined|thread|address,undefined
#                           separate tree under build/<sanitizer>/, without DPDK (simulated port)
#   ALONE=1                 the engine and its tests with gcc and libc alone, under build/alone/
#   MARCH=x86-64-v3         instruction set of the compiled code; AES instructions are always used (digests)

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.SECONDARY:
SHELL := /bin/bash

V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-4s %s\n' '$(1)' '$(2)')

SANITIZER ?=
COVERAGE ?=
ALONE ?=
MARCH ?= x86-64-v3
comma := ,
FUZZ ?=
B := build$(if $(FUZZ),/fuzz)$(if $(SANITIZER),/$(subst $(comma),-,$(SANITIZER)))$(if $(COVERAGE),/coverage)$(if $(ALONE),/alone)
BIN := $(B)/bin
OBJ := $(B)/obj
LIB := $(B)/lib

CC := $(if $(FUZZ),clang,$(CC))
CXX ?= g++
OPT ?= $(if $(COVERAGE),-O0 --coverage,$(if $(FUZZ)$(SANITIZER)$(ALONE),-O1,-O3))
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
# What the sanitizers add hides from the compiler how long a string can be: the plain tree warns about that.
SAN := $(if $(SANITIZER),-fsanitize=$(SANITIZER)$(if $(FUZZ),$(comma)fuzzer-no-link, -Wno-format-truncation) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS_ALL := -std=c17 -D_GNU_SOURCE $(OPT) $(if $(ALONE),,-g) -march=$(MARCH) -maes -fno-strict-aliasing -fstack-protector-strong $(WARN) $(SAN) -I. -I$(B)
CXXFLAGS_ALL := -std=c++17 $(OPT) -g -march=$(MARCH) -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I.
LDFLAGS_ALL := $(SAN) $(if $(FUZZ),-fsanitize=fuzzer) $(if $(COVERAGE),--coverage) -Wl,-z,relro,-z,now

pkg = $(shell pkg-config $(1) $(2) 2>/dev/null | sed 's/-I/-isystem /g')

# --- what is compiled into what -------------------------------------------------------------------
# Libraries are whole folders less their mains; an executable is its main, the libraries below it in the star, and its own third-party libraries.

BASE_SRC      := engine/base/check.c engine/base/doorbell.c engine/base/hist.c
ENGINE_SRC    := $(BASE_SRC) $(wildcard engine/shm/*.c) $(filter-out engine/play.c,$(wildcard engine/*.c))
DATAPLANE_SRC := $(filter-out dataplane/main.c dataplane/confine.c dataplane/port_%.c dataplane/tcp_%.c,$(wildcard dataplane/*.c))
PERSIST_SRC   := $(filter-out persist/%_main.c persist/disk_uring.c persist/disk_plain.c persist/sink_pg.c persist/sink_redis.c persist/confine.c,$(wildcard persist/*.c))
CLIENT_SRC    := $(filter-out dataplane/client/mm_%.c dataplane/client/conform%.c dataplane/client/sample.c,$(wildcard dataplane/client/*.c))
CONFIG_SRC    := control/config.c control/config_schema.c
API_SRC       := control/api.c control/api_http.c control/api_socket.c
AUTH_SRC      := control/auth.c control/secrets.c
CONTROL_SRC   := $(filter-out control/%_main.c $(API_SRC) $(AUTH_SRC) $(CONFIG_SRC),$(wildcard control/*.c))
PROD          := engine/base/env_prod.c

EXES := wcx-play
EXES += $(if $(SANITIZER),,wcx-dataplane wcx-memif-rtt wcx-wire)
EXES += wcx-journal wcx-keeper wcx-replica wcx-sink-pg wcx-sink-redis wcx-auth wcx-api wcx-controld wcxctl wcx-mm wcx-conform wcx-sim wcx-diff wcx-rtt wcx-crowd wcx-flood wcx-fill wcx-gateway wcx-bench

SRC_wcx-play      := engine/play.c $(PROD)
LIBS_wcx-play     := engine
LWIP              := dataplane/tcp_lwip.c dataplane/tcp_memory.c
SRC_wcx-dataplane := dataplane/main.c dataplane/confine.c dataplane/port_dpdk.c $(LWIP) $(PROD)
LIBS_wcx-dataplane := dataplane engine
# DPDK as archives, with the three drivers that port_dpdk.c knows: as shared libraries it loads every driver that is installed, at each start.
DPDK_LIBS         := eal kvargs telemetry ring mempool mbuf net meter ethdev hash rcu bus_vdev mempool_ring net_af_xdp net_af_packet net_memif
LD_wcx-dataplane  := -Wl,--whole-archive $(DPDK_LIBS:%=-l:librte_%.a) -Wl,--no-whole-archive -Wl,--as-needed -lnuma -lseccomp -llwip -lxdp -lbpf -lbsd -lm
SRC_wcx-journal   := persist/journal_main.c persist/disk_uring.c $(PROD)
LIBS_wcx-journal  := persist engine
LD_wcx-journal    := -luring
SRC_wcx-keeper    := persist/keeper_main.c $(PROD)
LIBS_wcx-keeper   := persist engine
SRC_wcx-replica   := persist/replica_main.c persist/disk_plain.c $(PROD)
LIBS_wcx-replica  := persist engine
SRC_wcx-sink-pg   := persist/sink_main.c persist/sink_pg.c persist/confine.c $(PROD)
LIBS_wcx-sink-pg  := persist engine
LD_wcx-sink-pg    := -lpq -lseccomp
SRC_wcx-sink-redis := persist/sink_main.c persist/sink_redis.c persist/confine.c $(PROD)
LIBS_wcx-sink-redis := persist engine
LD_wcx-sink-redis := -lhiredis -lseccomp
SRC_wcx-auth      := control/auth_main.c $(AUTH_SRC) $(PROD)
LIBS_wcx-auth     := control engine
LD_wcx-auth       := -lcrypto -lseccomp
SRC_wcx-api       := control/api_main.c $(API_SRC) $(PROD)
LIBS_wcx-api      := control persist engine
LD_wcx-api        := -lmicrohttpd -ljansson
SRC_wcx-controld  := control/controld_main.c $(CONFIG_SRC) $(PROD)
LIBS_wcx-controld := control engine
LD_wcx-controld   := -lcyaml -lcrypto
SRC_wcxctl        := $(wildcard control/ctl/*.c) persist/disk_plain.c $(PROD)
LIBS_wcxctl       := control persist engine
LD_wcxctl         := -ljansson -lcrypto
SRC_wcx-mm        := $(wildcard dataplane/client/mm_*.c) $(PROD)
LIBS_wcx-mm       := client engine
LD_wcx-mm         := -lcrypto -lncurses -ltinfo
SRC_wcx-conform   := $(wildcard dataplane/client/conform_*.c) $(PROD)
LIBS_wcx-conform  := client engine
LD_wcx-conform    := -lcrypto
SRC_wcx-sim       := $(filter-out tests/sim/journal_crash.c,$(wildcard tests/sim/*.c)) $(wildcard tests/diff/reference*.c) tests/diff/compare.c dataplane/port_sim.c dataplane/tcp_sim.c
LIBS_wcx-sim      := dataplane persist client engine
LD_wcx-sim        := -lcrypto
SRC_wcx-diff      := $(wildcard tests/diff/*.c) $(PROD)
LIBS_wcx-diff     := engine
SRC_wcx-rtt       := bench/wire/rtt.c bench/wire/tcp_echo.c bench/hdr.c bench/hdr_log.c $(PROD)
LIBS_wcx-rtt      := client engine
LD_wcx-rtt        := -lcrypto -lz
SRC_wcx-crowd     := bench/wire/crowd.c $(PROD)
LIBS_wcx-crowd    := client engine
LD_wcx-crowd      := -lcrypto
SRC_wcx-flood     := bench/wire/flood.c bench/wire/stranger.c $(PROD)
LIBS_wcx-flood    := client engine
LD_wcx-flood      := -lcrypto
SRC_wcx-fill      := bench/wire/fill.c $(PROD)
LIBS_wcx-fill     := client engine
LD_wcx-fill       := -lcrypto
SRC_wcx-memif-rtt := bench/wire/memif_rtt.c bench/wire/port_client.c dataplane/net.c dataplane/port_dpdk.c $(PROD)
LIBS_wcx-memif-rtt := client engine
LD_wcx-memif-rtt  := $(LD_wcx-dataplane) -lcrypto
SRC_wcx-gateway   := bench/wire/gateway.c bench/wire/port_socket.c bench/worker_rig.c bench/rig.c dataplane/tcp_sim.c $(AUTH_SRC) $(PROD)
LIBS_wcx-gateway  := dataplane control engine
LD_wcx-gateway    := -lcrypto
BENCH_SRC         := bench/flow.c bench/model.c bench/profile.c bench/floor.c bench/engine_run.c bench/rig.c bench/cli.c
HDR_SRC           := bench/hdr.c bench/hdr_log.c
PREFLIGHT_SRC     := bench/preflight.c bench/host_file.c bench/noise.c
FOLDER_SRC        := bench/run_folder.c bench/report.c bench/chart.c
WIRE_SRC          := $(addprefix bench/wire/,wire_bench.c wire_report.c wire_run.c ramp.c crew.c mix.c reference.c schedule.c open_loop.c net_drops.c)
# wcx-bench wire over a DPDK port. With DPDK as shared libraries: any device that it has an installed driver for.
SRC_wcx-wire      := bench/wire/port_main.c bench/wire/lines_port.c bench/wire/port_client.c dataplane/net.c dataplane/port_dpdk.c bench/samples.c \
                     $(BENCH_SRC) $(HDR_SRC) $(PREFLIGHT_SRC) $(FOLDER_SRC) $(WIRE_SRC) $(PROD)
LIBS_wcx-wire     := client engine
LD_wcx-wire       := -lrte_eal -lrte_ethdev -lrte_mbuf -lrte_mempool -lrte_bus_vdev -lcrypto -lz -lm
SRC_wcx-bench     := bench/main.c bench/engine_bench.c bench/hist_bench.c bench/gather.c bench/compare.c bench/paired_stats.c bench/samples.c bench/scale.c bench/scale_run.c bench/miss.c bench/kill.c bench/memory.c bench/snapshot.c bench/burst.c bench/replay.c bench/image.c bench/durable.c bench/digests.c bench/records.c bench/pump.c bench/bare_write.c bench/ack_trace.c bench/paced.c bench/worker_rig.c dataplane/port_sim.c dataplane/tcp_sim.c \
                     $(BENCH_SRC) $(HDR_SRC) $(PREFLIGHT_SRC) $(FOLDER_SRC) $(WIRE_SRC) bench/wire/lines_socket.c $(PROD)
LIBS_wcx-bench    := dataplane persist client engine
LD_wcx-bench      := -Wl,--wrap=wcx_engine_orders_live -lm -lcrypto -lz # told to a loop that is not to ask ahead: bench/burst.c

ALL_LIBS := engine $(if $(COVERAGE)$(ALONE),,dataplane persist client control)
SRC_engine    := $(ENGINE_SRC)
SRC_dataplane := $(DATAPLANE_SRC)
SRC_persist   := $(PERSIST_SRC)
SRC_client    := $(CLIENT_SRC)
SRC_control   := $(CONTROL_SRC)

# A test is one file. It links every library of ours, the simulated port, the production environment and cmocka.
# What else it needs stands in SRC_<folder>/<test> (sources) and LD_<folder>/<test> (libraries); ENV_<folder>/<test> replaces the environment.
TEST_SRC  := $(wildcard tests/unit/test_*.c tests/property/test_*.c tests/race/test_*.c tests/golden/test_*.c tests/fault/test_*.c tests/fuzz/test_*.c)
TEST_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SRC))
LD_unit/test_ahead := -Wl,--wrap=wcx_engine_prefetch
LD_unit/test_loop_ahead := -Wl,--wrap=wcx_engine_prefetch,--wrap=wcx_engine_orders_live
LD_property/test_loop_bursts := -Wl,--wrap=wcx_engine_prefetch,--wrap=wcx_engine_orders_live
LD_unit/test_loop_calls := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=free
LD_unit/test_cut := -Wl,--wrap=wcx_disk_list
LD_unit/test_journal_walk := -Wl,--wrap=readdir
LD_unit/test_link_stream := -Wl,--wrap=wcx_tcp_push
LD_unit/test_loop_orders := -Wl,--wrap=wcx_engine_apply
LD_unit/test_loop_gate := -Wl,--wrap=wcx_port_alloc
LD_unit/test_auction := -Wl,--wrap=wcx_mmp_fill,--wrap=wcx_risk_commission
LD_unit/test_journal_orders := -Wl,--wrap=wcx_doorbell_wait
LD_unit/test_shm := -Wl,--wrap=fcntl
LD_unit/test_trade_break := -Wl,--wrap=wcx_risk_break
$(foreach t,$(wildcard tests/unit/test_loop_*.c tests/property/test_loop_*.c tests/unit/test_link*.c tests/property/test_link*.c),$(eval SRC_$(t:tests/%.c=%) := tests/unit/loop_fixture.c))
SRC_property/test_loop_snapshot += persist/disk_plain.c
SRC_unit/test_snapshot_file := tests/unit/loop_fixture.c persist/disk_plain.c
SRC_unit/test_replica := tests/unit/loop_fixture.c persist/disk_plain.c
LD_unit/test_replica  := -Wl,--wrap=fsync
SRC_unit/test_sink := tests/unit/loop_fixture.c persist/disk_plain.c
SRC_property/test_lossy_wire := tests/unit/loop_fixture.c
ENV_property/test_lossy_wire := tests/sim/env_sim.c
SRC_property/test_forged_wire := tests/unit/loop_fixture.c $(AUTH_SRC)
ENV_property/test_forged_wire := tests/sim/env_sim.c
SRC_unit/test_config := $(CONFIG_SRC)
LD_unit/test_config  := -lcyaml
SRC_unit/test_api    := control/api.c
SRC_unit/test_auth   := $(AUTH_SRC)
LD_unit/test_auth    := -Wl,--wrap=munmap,--wrap=wcx_env_random
SRC_unit/test_confine := dataplane/confine.c
LD_unit/test_confine  := -lseccomp
SRC_unit/test_sink_confine := persist/confine.c
LD_unit/test_sink_confine  := -lseccomp
SRC_unit/test_journal := persist/disk_uring.c
LD_unit/test_journal  := -luring
LD_unit/test_disk_dir := -Wl,--wrap=fsync
SRC_unit/test_disk_uring := persist/disk_uring.c
LD_unit/test_disk_uring  := -luring -Wl,--wrap=io_uring_submit,--wrap=io_uring_register_files_update,--wrap=pwritev2,--wrap=readdir,--wrap=fsync
SRC_unit/test_ship   := persist/disk_uring.c
LD_unit/test_ship    := -luring -Wl,--wrap=fsync,--wrap=fdatasync,--wrap=posix_fadvise
SRC_unit/test_archive := persist/disk_uring.c
LD_unit/test_archive  := -luring
SRC_unit/test_recheck := persist/disk_uring.c
LD_unit/test_recheck  := -luring
SRC_unit/test_scrub  := persist/disk_uring.c
LD_unit/test_scrub   := -luring -Wl,--wrap=fsync
SRC_unit/loop_cost := tests/unit/loop_fixture.c
LD_unit/test_loop_trace  := $(foreach f,wcx_port_rx wcx_port_tx wcx_sbe_find wcx_engine_output_bound wcx_engine_apply wcx_gate_run,-Wl$(comma)--wrap=$(f))
ENV_unit/test_loop_trace := tests/sim/env_sim.c
SRC_unit/test_flow   := $(BENCH_SRC)
SRC_unit/test_hdr    := $(HDR_SRC)
LD_unit/test_hdr     := -lz
SRC_unit/test_open_loop := bench/wire/open_loop.c bench/wire/schedule.c bench/hdr.c
LD_unit/test_open_loop  := -lm
SRC_unit/test_wire_reference := bench/wire/reference.c $(BENCH_SRC)
SRC_unit/test_preflight := $(PREFLIGHT_SRC) bench/hdr.c bench/cli.c
SRC_unit/test_paired_stats := bench/paired_stats.c
LD_unit/test_paired_stats  := -lm
SIM := tests/sim/env_sim.c tests/sim/disk_sim.c tests/sim/sim_file.c
# Fuzz targets: as tests they replay their seeds; FUZZ=1 is the tree of `make fuzz`, where libFuzzer brings the main.
SRC_fuzz/test_loop      := tests/unit/loop_fixture.c tests/fuzz/rewind.c
SRC_fuzz/test_link      := tests/unit/loop_fixture.c tests/fuzz/rewind.c
TCP_fuzz/test_tcp       := $(LWIP)
LD_fuzz/test_tcp        := -llwip
SRC_fuzz/test_establish := $(AUTH_SRC)
FUZZ_MAIN := $(if $(FUZZ),tests/fuzz/libfuzzer.c,tests/fuzz/replay.c)
$(foreach t,$(wildcard tests/fuzz/test_*.c),$(eval SRC_$(t:tests/%.c=%) += $(FUZZ_MAIN)))
TCP_unit/test_tcp_lwip := $(LWIP)
LD_unit/test_tcp_lwip  := -llwip
TCP_unit/test_tcp_lwip_flood := $(LWIP)
LD_unit/test_tcp_lwip_flood  := -llwip
ENV_fault/test_journal_crash  := $(SIM) tests/sim/journal_crash.c
ENV_fault/test_journal_faults := $(SIM)
LD_fault/test_journal_faults  := -Wl,--wrap=wcx_disk_reap
ENV_unit/test_anchors := $(SIM)
ENV_unit/test_cut := $(SIM)
ENV_unit/test_journal_orders := $(SIM)
ENV_unit/test_override := $(SIM)
ENV_unit/test_retention := $(SIM)
ENV_fault/test_damage := tests/sim/env_sim.c tests/fault/memory_disk.c tests/fault/past.c

CFLAGS_bench/floor.c := -O3 -march=native
CFLAGS_persist/sink_pg.c := -isystem /usr/include/postgresql
CFLAGS_dataplane/tcp_lwip.c := -isystem /usr/include/lwip
CFLAGS_dataplane/port_dpdk.c := $(call pkg,--cflags,libdpdk) -march=$(MARCH) -DALLOW_EXPERIMENTAL_API # the clock of a device
CFLAGS_tests/e2e/stamping_port.c := $(CFLAGS_dataplane/port_dpdk.c)

build: $(EXES:%=$(BIN)/%) ## compile everything into build/bin
	@:

objs = $(patsubst %.c,$(OBJ)/%.o,$(1))

$(OBJ)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(CFLAGS_$<) -MMD -MP -c -o $@ $<

define lib_rule
$(LIB)/libwcx-$(1).a: $$(call objs,$$(SRC_$(1)))
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach l,$(ALL_LIBS),$(eval $(call lib_rule,$(l))))

define exe_rule
$(BIN)/$(1): $$(call objs,$$(SRC_$(1))) $$(LIBS_$(1):%=$(LIB)/libwcx-%.a)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LD_$(1))
endef
$(foreach e,$(EXES),$(eval $(call exe_rule,$(e))))

# Alone: what these tests use of cmocka is a header of our own, which the engine does not see.
$(if $(ALONE),$(eval $(OBJ)/tests/%.o: CFLAGS_ALL += -isystem tests/alone -O0))
TEST_LIBS := $(if $(ALONE),,-lcmocka -lcrypto -ljansson)

$(B)/tests/%: $(OBJ)/tests/%.o $(if $(COVERAGE)$(ALONE),,$$(call objs,dataplane/port_sim.c $$(or $$(TCP_$$*),dataplane/tcp_sim.c))) $(ALL_LIBS:%=$(LIB)/libwcx-%.a) $$(call objs,$$(or $$(ENV_$$*),$(PROD)) $$(SRC_$$*))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LD_$*) $(TEST_LIBS)

$(B)/tests/golden/test_golden: | $(BIN)/wcx-play

# Programs the end-to-end tests run: like an executable, but under build/tests/.
E2E_PROGRAMS := $(if $(SANITIZER),,port_echo port_ping memif_load journal_load wire_stamps)

SRC_e2e_port_echo := tests/e2e/port_echo.c dataplane/port_dpdk.c $(PROD)
LD_e2e_port_echo  := $(LD_wcx-dataplane)
SRC_e2e_port_ping := tests/e2e/port_ping.c dataplane/port_dpdk.c $(PROD)
LD_e2e_port_ping  := $(LD_wcx-dataplane)
SRC_e2e_memif_load := tests/e2e/memif_load.c bench/wire/port_client.c dataplane/net.c dataplane/port_dpdk.c $(PROD)
LIBS_e2e_memif_load := client
LD_e2e_memif_load := $(LD_wcx-dataplane) -lcrypto
SRC_e2e_wire_stamps := tests/e2e/stamping_port.c $(SRC_wcx-wire)
LIBS_e2e_wire_stamps := client
LD_e2e_wire_stamps := -Wl,--wrap=rte_eth_dev_info_get,--wrap=rte_eth_dev_configure,--wrap=rte_eth_dev_start,--wrap=rte_eth_read_clock $(LD_wcx-wire)
SRC_e2e_journal_load := tests/e2e/journal_load.c $(PROD)

define e2e_rule
$(B)/tests/e2e/$(1): $$(call objs,$$(SRC_e2e_$(1))) $$(LIBS_e2e_$(1):%=$(LIB)/libwcx-%.a) $(LIB)/libwcx-engine.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LD_e2e_$(1))
endef
$(foreach e,$(E2E_PROGRAMS),$(eval $(call e2e_rule,$(e))))

# The load and the check of the fault tests; apart from the tests because a guest runs it, with few libraries.
RING_LOAD := $(B)/tests/fault/ring_load

$(RING_LOAD): $(call objs,tests/fault/ring_load.c $(PROD)) $(LIB)/libwcx-engine.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^

# The micro-benchmarks: C cases below a C++ main, with a library that nothing else needs. Apart from `build`, so that `make run` installs no C++.
MICRO := $(if $(SANITIZER),,$(BIN)/wcx-micro)

$(OBJ)/%.o: %.cpp
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BIN)/wcx-micro: $(OBJ)/bench/micro/main.o $(call objs,bench/micro/micro.c bench/rig.c $(PROD)) $(LIB)/libwcx-engine.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ -lbenchmark -lpthread

$(B)/tests/tools/liballoc_count.so: tests/tools/alloc_count.c
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Wno-pedantic -fPIC -shared -o $@ $<

# The commit that env.json of a run names; written anew only when it is another.
$(B)/bench/commit.h: FORCE
	@mkdir -p $(@D)
	@printf '#define WCX_COMMIT "%s"\n' "$$(git describe --always --dirty --abbrev=40 --match=none 2>/dev/null || echo unknown)" >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(OBJ)/bench/run_folder.o: $(B)/bench/commit.h

FORCE:

# wcx-bench above an engine that is 5 % slower, which its compare must find, and above one that goes wrong, which makes its runs invalid.
BENCH_PLANTED := $(if $(SANITIZER),,$(B)/tests/bench/wcx-bench-slow $(B)/tests/bench/wcx-bench-wrong)

$(BENCH_PLANTED): $(B)/tests/bench/wcx-bench-%: $(OBJ)/tests/bench/%_apply.o $(call objs,$(SRC_wcx-bench)) $(LIBS_wcx-bench:%=$(LIB)/libwcx-%.a)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -Wl,--wrap=wcx_engine_apply -o $@ $^ $(LD_wcx-bench)

# A patch in tests/*/mutants that no longer applies fails the build.
MUTANTS := $(wildcard tests/*/mutants/*.patch)

$(B)/tests/mutants.checked: tests/lint/mutants.py $(MUTANTS) $(sort $(shell sed -n 's,^+++ b/,,p' $(MUTANTS) /dev/null))
	$(call say,LINT,$<)
	@mkdir -p $(@D)
	$(Q)python3 $<
	@touch $@

# The first inputs of the fuzz targets, made from the schema and from what fuzzing found worth keeping.
$(B)/tests/fuzz/seeds.made: tests/fuzz/seeds.py tests/e2e/wcxlib.py engine/wcx-1.0.xml $(wildcard tests/fuzz/corpus/*.txt) $(wildcard tests/fuzz/test_*.c)
	$(call say,GEN,$(@D)/seeds)
	@mkdir -p $(@D)
	$(Q)python3 $< $(@D)/seeds
	@touch $@

FUZZ_BINS := $(filter $(B)/tests/fuzz/%,$(TEST_BINS))
fuzz-targets: $(FUZZ_BINS) $(B)/tests/fuzz/seeds.made

tests: $(B)/tests/mutants.checked $(B)/tests/fuzz/seeds.made $(TEST_BINS) $(B)/tests/unit/canary $(E2E_PROGRAMS:%=$(B)/tests/e2e/%) $(RING_LOAD) $(if $(SANITIZER),,$(B)/tests/tools/liballoc_count.so) $(MICRO) $(BENCH_PLANTED) ## compile the tests

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# --- set-up ---------------------------------------------------------------------------------------

DEPS_BUILD := build-essential pkg-config libdpdk-dev libbsd-dev liblwip-dev libxdp-dev libbpf-dev libpcap-dev liburing-dev libcyaml-dev libjansson-dev libmicrohttpd-dev libssl-dev zlib1g-dev libnuma-dev libseccomp-dev libncurses-dev libpq-dev libhiredis-dev
DEPS_RUN   := dpdk iproute2 ethtool procps util-linux postgresql redis-server
DEPS_BENCH := g++ libbenchmark-dev python3
DEPS_WIRE  := dpdk-dev python3
DEPS_TEST  := libcmocka-dev strace e2fsprogs xfsprogs btrfs-progs python3 tshark clang clang-format clang-tidy cppcheck shellcheck git
# npm's soupbintcp is a client of the tests. Another vendor's nodejs brings npm along and forbids Debian's.
DEPS_TEST  += $(if $(shell command -v npm),,nodejs npm)
DEPS_COVERAGE := gcovr
DEPS_FAULT := qemu-system-x86 qemu-utils busybox-static cpio e2fsprogs xfsprogs btrfs-progs python3
DEPS_FLAME := linux-perf
DEPS_LONG  := chromium $(DEPS_FLAME)
DEPS_FUZZ  := clang libclang-rt-14-dev

# Installs only what dpkg does not know as installed, so that a second call costs a moment and no network.
define install
@missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
if [ -n "$$missing" ]; then \
  echo "  DEPS installing:" $$missing; \
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/tmp/wcx-deps.$$$$.log 2>&1 \
    || { tail -20 /tmp/wcx-deps.$$$$.log; echo 'installing failed; the commands above say why. As root: apt-get update && apt-get install' $$missing; exit 1; }; \
  rm -f /tmp/wcx-deps.$$$$.log; \
fi
endef

deps: deps-run deps-test ## install every Debian package needed (root; idempotent, no questions)

deps-run:
	$(call install,$(DEPS_BUILD) $(DEPS_RUN))

deps-test:
	$(call install,$(DEPS_BUILD) $(DEPS_RUN) $(DEPS_BENCH) $(DEPS_TEST))

deps-wire: deps-run
	$(call install,$(DEPS_WIRE))

deps-fault:
	$(call install,$(DEPS_BUILD) $(DEPS_FAULT))

deps-bench:
	$(call install,$(DEPS_BUILD) $(DEPS_BENCH))

# pkg-config answers are read when make starts: after an installation the build must be another make.
JOBS ?= 2
submake = +@$(MAKE) --no-print-directory -j$(JOBS)

# --- running --------------------------------------------------------------------------------------

SECONDS ?= 0

run: deps-run ## start everything and let two sample market makers trade (SECONDS=15: stop by itself; KEEP=1: recover the last state)
	$(submake) build
	@exec control/dev/run.sh $(SECONDS)

up: deps-run ## start the appliance in the background; returns once a sign-on is answered (KEEP=1: recover the last state)
	$(submake) build
	@exec control/dev/up.sh

down: ## stop what `make up` started and clean up
	@exec control/dev/down.sh

# --- testing --------------------------------------------------------------------------------------

SANITIZED := address,undefined

test: deps-test ## set up, build and run every test; the last line is the count
	$(submake) build tests
	$(submake) tests build/$(subst $(comma),-,$(SANITIZED))/bin/wcx-sim build/$(subst $(comma),-,$(SANITIZED))/bin/wcx-diff SANITIZER=$(SANITIZED)
	@exec python3 tests/run.py --sanitized build/$(subst $(comma),-,$(SANITIZED))

# The tests of the engine: those that need nothing above it.
ENGINE_TESTS := $(shell grep -LE '^.include "(dataplane|persist|control|hsm|bench|tests/sim|tests/unit/(loop|link|tcp|journal|replica)_fixture)' tests/unit/test_*.c tests/property/test_*.c tests/golden/test_*.c)

alone: ## the engine and its tests with gcc, make and libc alone: no cmocka, no other library, no Python
	$(submake) ALONE=1 $(patsubst %,build/alone/%,bin/wcx-play bin/wcx-diff tests/unit/canary $(ENGINE_TESTS:%.c=%))
	@exec tests/alone/run.sh build/alone

guest: deps-fault ## fetch the kernels of the QEMU guests that power cuts and PCI functions need, under build/guest (not installed)
	@python3 tests/fault/guest.py
	@python3 tests/bench/long_wire_pci.py --fetch

coverage: deps-test ## lines and branches of the engine that its tests and wcx-diff reach; fails where matching or money is not
	$(call install,$(DEPS_COVERAGE))
	$(submake) COVERAGE=1 $(patsubst %,build/coverage/%,bin/wcx-play bin/wcx-diff $(ENGINE_TESTS:%.c=%))
	@exec python3 tests/coverage.py $(patsubst %.c,build/coverage/%,$(filter-out tests/golden/%,$(ENGINE_TESTS)))

test-long: test guest ## the tests above, the report of a run in a browser, wire load over a PCI function, and short campaigns of faults in a QEMU guest
	$(call install,$(DEPS_LONG))
	@python3 tests/bench/long_report.py
	@python3 tests/bench/long_wire_pci.py
	@exec python3 tests/fault/faults.py --short

HOURS ?= 0

faults: deps-test guest ## kill -9, power cuts, crash images, disk errors, damage, full disks; appends to tests/fault/ledger.csv (HOURS=0: the closing counts)
	$(submake) build tests
	@exec python3 tests/fault/faults.py --hours $(HOURS)

# cppcheck does not see that wcx_die and wcx_check_failed never return: clang's analyser, which does, checks null pointers and uninitialised members.
lint: deps-test ## format, include star, headers compile alone, paths in READMEs and headers, linked libraries, schema, cppcheck, clang-tidy, shellcheck
	$(submake) build
	@set -e; for check in tests/lint/*.py; do echo "  LINT $$check"; python3 $$check; done
	@echo '  LINT cppcheck'; cppcheck --quiet --error-exitcode=1 --std=c11 --language=c --enable=warning,portability --inline-suppr --suppress=nullPointerRedundantCheck --suppress=nullPointerArithmeticRedundantCheck --suppress=uninitStructMember -I. \
	  -j$(JOBS) $$(git ls-files 'engine/*.c' 'dataplane/*.c' 'persist/*.c' 'control/*.c')
	@echo '  LINT clang-tidy'; printf '%s\n' $$(git ls-files 'engine/*.c' 'dataplane/*.c' 'persist/*.c' 'control/*.c' | grep -v sbe_meta.c) \
	  | xargs -P$(JOBS) -n4 sh -c 'clang-tidy --quiet "$$@" -- -std=c17 -D_GNU_SOURCE -march=$(MARCH) -maes -I. $(CFLAGS_dataplane/port_dpdk.c) $(CFLAGS_persist/sink_pg.c) $(CFLAGS_dataplane/tcp_lwip.c) 2>/dev/null' clang-tidy
	@echo '  LINT shellcheck'; shellcheck $$(git ls-files '*.sh') .ci/run

MINUTES ?= 2

fuzz: deps-test ## let libFuzzer search each target in tests/fuzz under ASan and UBSan (MINUTES=2: for each; fails when there is a finding)
	$(call install,$(DEPS_FUZZ))
	$(submake) fuzz-targets FUZZ=1 SANITIZER=$(SANITIZED)
	@exec python3 tests/fuzz/run.py --build build/fuzz/$(subst $(comma),-,$(SANITIZED)) --minutes $(MINUTES)

mutants: deps-test ## break one rule after another in copies of the source; CPU seconds until the tests notice
	$(submake) build tests
	@status=0; for test in tests/diff/test_diff_mutants.py tests/fault/test_mutants.py tests/property/test_property_mutants.py; do WCX_MUTANTS=all python3 $$test || status=1; done; exit $$status

bench: deps-wire ## the standard set in under ten minutes: engine beside its floors, cost by size, kill switch, replay, round trips and open-loop load at D0 and D1, durability; one folder in bench/out with report.html
	$(call install,$(DEPS_FLAME))
	$(submake) build $(B)/tests/e2e/port_echo
	@exec python3 bench/standard.py

bench-rtt: deps-wire ## of these the round trips alone, beside the port's own echo, the kernel's TCP and a bare durable write, in paired rounds
	$(submake) build $(B)/tests/e2e/port_echo
	@exec python3 bench/wire/rtt.py

bench-wire: deps-wire ## 1,000 TCP connections with 100 slow readers; a flood of strangers (some minutes)
	$(submake) build
	@exec python3 bench/wire/crowd.py
	@exec python3 bench/wire/flood.py

# In a session of its own with the best autogroup, as control/dev/runner.sh starts the data plane.
bench-durable: deps-run ## durable throughput of journal and engine; acks at 100,000 requests a second beside bare 4 KiB durable writes
	$(submake) build
	@exec setsid -w bash -c 'echo -20 >/proc/self/autogroup; exec "$$@"' bench-durable $(BIN)/wcx-bench durable --dir $(B)/bench-durable

bench-recovery: deps-wire ## kill -9 of journal worker and data plane below 1,000,000 resting orders, and cold starts: how soon an order is acknowledged (some minutes)
	$(submake) build
	@exec python3 bench/wire/recovery.py

bench-engine: deps-bench ## the engine alone: flows a, b, c, cost against resting orders, kill switch, memory, parts; a folder like that of `make bench` (some minutes; needs 6 GiB)
	$(submake) build micro
	@exec python3 bench/standard.py --only engine,capacity,micro --whole

micro: $(MICRO) ## compile the micro-benchmarks, build/bin/wcx-micro (needs libbenchmark-dev)
	@:

clean: ## remove everything that was built, journals included
	@[ ! -e build/run/environment ] || { echo 'wcx: error: the appliance runs from build/run: make down first' >&2; exit 1; }
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22
	@echo; sed -n 's/^# *\( [A-Z]*=.*\)/ \1/p' $(firstword $(MAKEFILE_LIST))

.PHONY: FORCE build tests fuzz fuzz-targets deps deps-run deps-test deps-wire deps-fault deps-bench guest faults run up down test test-long alone coverage lint mutants bench bench-rtt bench-wire bench-durable bench-recovery bench-engine micro clean help
