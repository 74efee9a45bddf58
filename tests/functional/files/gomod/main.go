// SPDX-License-Identifier: MIT

// Goroutines, channels, a loop that only a preemption signal can stop, maps, a caught nil pointer.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sort"
	"sync"
	"syscall"
	"time"

	"example.org/gomod/shape"
)

type node struct{ next *node }

func nilPointer() (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	var n *node
	return fmt.Sprint(n.next)
}

func spin(done *bool) {
	for !*done {
	}
}

func main() {
	runtime.GOMAXPROCS(2)
	stop := new(bool)
	go spin(stop) // no call inside: only SIGURG gets the processor back
	go spin(stop)
	jobs := make(chan int)
	results := make(chan string, 16)
	var wg sync.WaitGroup
	for w := 0; w < 50; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range jobs {
				m := map[int]string{}
				for i := 0; i < 200; i++ {
					m[i*n%91] = fmt.Sprintf("%d-%.3f", i, shape.Area(i%9+3, float64(n)))
				}
				keys := []int{}
				for k := range m {
					keys = append(keys, k)
				}
				sort.Ints(keys)
				h := sha256.New()
				for _, k := range keys {
					fmt.Fprintln(h, k, m[k])
				}
				results <- fmt.Sprintf("%x", h.Sum(nil)[:4])
			}
		}()
	}
	go func() {
		for n := 1; n <= 400; n++ {
			jobs <- n
		}
		close(jobs)
		wg.Wait()
		close(results)
	}()
	all := []string{}
	for r := range results {
		all = append(all, r)
		if len(all)%100 == 0 {
			runtime.GC()
		}
	}
	sort.Strings(all)
	fmt.Println(len(all), all[0], all[len(all)-1], fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(all))))[:12])
	*stop = true
	fmt.Println(nilPointer())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	select {
	case s := <-signals:
		fmt.Println(s)
	case <-time.After(10 * time.Second):
		fmt.Println("no signal came")
	}
	for n := 0; n < 10; n++ {
		out, err := exec.Command("/bin/echo", "child", fmt.Sprint(n)).Output()
		fmt.Print(string(out))
		if err != nil {
			fmt.Println(err)
		}
	}
}
