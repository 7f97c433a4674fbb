// The kernel's report of one run (docs/schedules.md), read with care: the guest could have scribbled on it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"

namespace detent::explore {

/// Registers and a piece of the stack, as far as the report has them.
struct Standing {
  /// In DWARF's order: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip.
  std::array<std::uint64_t, 17> registers{};
  std::uint64_t stack_address = 0;
  std::string stack;  ///< bytes from that address up
  std::string call;   ///< the system call that the task is at
};

struct ReportedTask {
  std::uint32_t tid = 0;  ///< 1 for the first, then in order of creation
  std::string name, state, call;
  std::string waits_in;  ///< empty if it does not wait
  std::string object;    ///< what it waits for: an address
  std::int64_t since_ns = 0;
  std::uint32_t owner = 0;  ///< who holds the lock that it waits for; 0: not known
  std::optional<Standing> standing;
};

struct ReportedEvent {
  std::uint64_t n = 0;  ///< position among all events of the run
  std::uint32_t tid = 0;
  std::int64_t t_ns = 0;
  std::string call, object, access;
  std::optional<std::int64_t> result;
  std::uint64_t choice = 0;
};

/// A deviation from Linux's usual order.
struct ReportedSwitch {
  std::uint32_t choice = 0;
  std::uint32_t option = 0;
  std::string kind;
  std::int64_t t_ns = 0;
  std::uint64_t events = 0;  ///< of the run before it
  std::uint32_t from_tid = 0, to_tid = 0;
  std::optional<Standing> from, to;
};

struct Module {
  std::uint64_t start = 0, end = 0, offset = 0;
  std::string path;
  friend bool operator==(const Module&, const Module&) = default;
};

struct KernelReport {
  std::vector<ReportedTask> tasks;
  std::vector<ReportedEvent> events;  ///< the last of each task, in the order of the run
  std::vector<ReportedSwitch> switches;
  std::vector<Module> modules;
};

/// One object of --latency-json.
struct ReportedLatency {
  std::string what;               ///< the call that made it, "futex", or the call that waited
  std::optional<Standing> place;  ///< where it was made, or first waited for
  Histogram latencies;            ///< from being woken to running, ns
};

struct LatencyReport {
  std::vector<ReportedLatency> objects;
  std::vector<Module> modules;
};

/// Nothing if it is no such file.
std::optional<LatencyReport> read_latency_report(std::string_view json);

/// What is missing or of the wrong type stays empty.
KernelReport read_kernel_report(std::string_view json);

}  // namespace detent::explore
