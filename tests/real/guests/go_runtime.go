// What a Go program leans on its runtime for: timers, the network poller, futexes, preemption by
// SIGURG, signals and faults. Static, with raw system calls of its own.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Timers and tickers: order and counts, never durations from above.
func timers() {
	started := time.Now()
	order := make(chan int, 3)
	for i := 3; i >= 1; i-- {
		go func(i int) {
			<-time.After(time.Duration(i) * 60 * time.Millisecond)
			order <- i
		}(i)
	}
	fmt.Println("after", <-order, <-order, <-order)
	fmt.Println("slept", time.Since(started) >= 180*time.Millisecond)

	ticker := time.NewTicker(5 * time.Millisecond)
	ticks := 0
	for range ticker.C {
		ticks++
		if ticks == 10 {
			ticker.Stop()
			break
		}
	}
	fmt.Println("ticks", ticks)

	timer := time.NewTimer(time.Hour)
	fmt.Println("stopped", timer.Stop())
}

// Many goroutines over a mutex, a wait group, a condition and a pool of workers.
func locks() {
	var mutex sync.Mutex
	var group sync.WaitGroup
	total, shared := int64(0), 0
	for i := 0; i < 1000; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			for k := 0; k < 10; k++ {
				mutex.Lock()
				shared++
				mutex.Unlock()
				atomic.AddInt64(&total, int64(i))
				runtime.Gosched()
			}
		}(i)
	}
	group.Wait()
	fmt.Println("sum", total, shared)

	ready := false
	cond := sync.NewCond(&mutex)
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			mutex.Lock()
			for !ready {
				cond.Wait()
			}
			mutex.Unlock()
		}()
	}
	time.Sleep(time.Millisecond)
	mutex.Lock()
	ready = true
	cond.Broadcast()
	mutex.Unlock()
	group.Wait()

	var once sync.Once
	calls := 0
	for i := 0; i < 5; i++ {
		once.Do(func() { calls++ })
	}
	fmt.Println("once", calls)
}

func echo() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println("listen", err)
		return
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				for {
					line, err := reader.ReadString('\n')
					if err != nil {
						return
					}
					conn.Write([]byte("echo " + line))
				}
			}()
		}
	}()
	var group sync.WaitGroup
	var right int64
	for c := 0; c < 8; c++ {
		group.Add(1)
		go func(c int) {
			defer group.Done()
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				fmt.Println("dial", err)
				return
			}
			defer conn.Close()
			reader := bufio.NewReader(conn)
			for i := 0; i < 20; i++ {
				fmt.Fprintf(conn, "%d:%d\n", c, i)
				line, err := reader.ReadString('\n')
				if err == nil && line == fmt.Sprintf("echo %d:%d\n", c, i) {
					atomic.AddInt64(&right, 1)
				}
			}
		}(c)
	}
	group.Wait()
	fmt.Println("echoes", right)

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		fmt.Println("dial", err)
		return
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	netErr, ok := err.(net.Error)
	fmt.Println("deadline", ok && netErr.Timeout())
	conn.Close()
	listener.Close()
}

func signals() {
	arrived := make(chan os.Signal, 4)
	signal.Notify(arrived, syscall.SIGUSR1, syscall.SIGHUP)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("signal", <-arrived)
	syscall.Kill(os.Getpid(), syscall.SIGHUP)
	fmt.Println("signal", <-arrived)
	signal.Stop(arrived)
}

type node struct {
	left, right *node
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func (n *node) count() int {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

// Garbage collections stop the world with SIGURG, loops without calls included.
func collect() {
	var stop int32
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		x := uint64(1)
		for atomic.LoadInt32(&stop) == 0 {
			for k := 0; k < 1000; k++ {
				x = x*6364136223846793005 + 1
			}
		}
	}()
	nodes := 0
	for round := 0; round < 1; round++ {
		nodes += tree(15).count()
		runtime.GC()
	}
	atomic.StoreInt32(&stop, 1)
	group.Wait()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println("nodes", nodes, "collected", stats.NumGC > 0)
}

// A goroutine that never calls anything is preempted by sysmon's SIGURG.
func preempted() {
	old := runtime.GOMAXPROCS(1)
	var x uint64
	go func() {
		for {
			x++
		}
	}()
	for i := 0; i < 3; i++ {
		time.Sleep(time.Millisecond)
	}
	runtime.GOMAXPROCS(old)
	fmt.Println("preempted")
}

func main() {
	timers()
	locks()
	echo()
	signals()
	collect()
	preempted()
	defer func() {
		fmt.Println("recovered", recover() != nil)
		os.Exit(7)
	}()
	var null *node
	fmt.Println(null.left)
}
