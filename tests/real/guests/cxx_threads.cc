// C++ on threads: exceptions across frames and threads, async, timed waits, thread_local destructors.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

std::atomic<int> alive{0}, destroyed{0};

struct Tracked {
  Tracked() { ++alive; }
  ~Tracked() { --alive, ++destroyed; }
  int value = 0;
};

thread_local Tracked tracked;

int throw_deep(int depth) {
  Tracked on_stack;
  if (depth == 0) throw std::runtime_error("from the depth");
  return throw_deep(depth - 1) + on_stack.value;
}

void exceptions() {
  int caught = 0;
  std::vector<std::thread> threads;
  std::mutex lock;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 50; ++k) {
        try {
          throw_deep(i);
        } catch (const std::exception& e) {
          std::lock_guard hold(lock);
          caught += std::string(e.what()) == "from the depth";
        }
      }
    });
  }
  for (auto& t : threads) t.join();
  std::printf("caught %d, alive %d\n", caught, alive.load());
  try {
    std::vector<int>(3).at(7);
  } catch (const std::out_of_range&) {
    std::puts("out of range");
  }
}

void asyncs() {
  std::vector<std::future<long>> futures;
  for (int i = 0; i < 10; ++i) {
    futures.push_back(std::async(std::launch::async, [i] {
      std::this_thread::sleep_for(std::chrono::milliseconds(10 - i));
      return static_cast<long>(i) * i;
    }));
  }
  long sum = 0;
  for (auto& f : futures) sum += f.get();
  std::printf("async %ld\n", sum);
  auto thrower = std::async(std::launch::async, [] { throw_deep(3); });
  try {
    thrower.get();
  } catch (const std::runtime_error& e) {
    std::printf("future threw: %s\n", e.what());
  }
  std::promise<int> promise;
  auto future = promise.get_future();
  std::printf("not ready %d\n", future.wait_for(20ms) == std::future_status::timeout);
  std::thread setter([&] { std::this_thread::sleep_for(20ms), promise.set_value(42); });
  std::printf("promise %d\n", future.get());
  setter.join();
}

void timed_waits() {
  std::mutex m;
  std::condition_variable cv;
  std::unique_lock hold(m);
  auto before = Clock::now();
  bool done = cv.wait_for(hold, 50ms, [] { return false; });
  std::printf("wait_for %d, not early %d\n", done, Clock::now() - before >= 50ms);
  auto status = cv.wait_until(hold, std::chrono::system_clock::now() + 20ms);
  std::printf("wait_until %d\n", status == std::cv_status::timeout);
  bool flag = false;
  std::thread notifier([&] {
    std::this_thread::sleep_for(20ms);
    std::lock_guard inner(m);
    flag = true;
    cv.notify_one();
  });
  std::printf("notified %d\n", cv.wait_for(hold, 10s, [&] { return flag; }));
  hold.unlock();
  notifier.join();
  std::timed_mutex timed;
  timed.lock();
  std::thread([&] { std::printf("timed_mutex %d\n", timed.try_lock_for(20ms)); }).join();
  timed.unlock();
  std::shared_timed_mutex shared;
  shared.lock_shared();
  std::thread([&] {
    std::printf("shared %d %d\n", shared.try_lock_shared_for(1s), shared.try_lock_for(20ms));
    shared.unlock_shared();
  }).join();
  shared.unlock_shared();
}

struct Queue {
  std::mutex m;
  std::condition_variable cv;
  std::vector<int> items;
  bool closed = false;
};

void queue() {
  Queue q;
  std::map<int, int> seen;
  std::vector<std::thread> consumers;
  for (int i = 0; i < 4; ++i) {
    consumers.emplace_back([&] {
      std::unique_lock hold(q.m);
      for (;;) {
        q.cv.wait(hold, [&] { return !q.items.empty() || q.closed; });
        if (q.items.empty()) return;
        ++seen[q.items.back()];
        q.items.pop_back();
      }
    });
  }
  for (int i = 0; i < 1000; ++i) {
    std::lock_guard hold(q.m);
    q.items.push_back(i);
    q.cv.notify_one();
  }
  {
    std::lock_guard hold(q.m);
    q.closed = true;
    q.cv.notify_all();
  }
  for (auto& t : consumers) t.join();
  std::printf("queue %zu\n", seen.size());
}

}  // namespace

int main() {
  tracked.value = 1;
  exceptions();
  asyncs();
  timed_waits();
  queue();
  int before = destroyed;
  for (int i = 0; i < 20; ++i) std::thread([] { tracked.value++; }).join();
  std::printf("thread_local %d, alive %d\n", destroyed - before, alive.load());
  std::fflush(stdout);
  std::thread([] {
    try {
      throw 1;
    } catch (int) {
      std::puts("done");
      std::exit(12);
    }
  }).join();
}
