// Worker: Go's built-in map, with Go's own hash. What worker.h says, for Go.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const (
	small     = 1000
	smallMaps = 16
	worth     = 1 << 19
	fills     = 4
	days      = 30
)

var sink uint64

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

func report(name string, value float64) { fmt.Printf("%s %.3f\n", name, value) }

func expect(right bool, what string) {
	if !right {
		fmt.Fprintln(os.Stderr, "wrong answer:", what)
		os.Exit(4)
	}
}

// Processor time of the process, the collector's with it.
func processor() float64 {
	var now syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 2, uintptr(unsafe.Pointer(&now)), 0)
	return float64(now.Sec)*1e9 + float64(now.Nsec)
}

func shuffled[K any](keys []K, salt uint64) []K {
	out := append([]K{}, keys...)
	for i := uint64(len(out)); i > 1; i-- {
		j := mix(i*salt) % i
		out[i-1], out[j] = out[j], out[i-1]
	}
	return out
}

//go:noinline
func runPut[K comparable](m map[K]uint64, keys []K) {
	for i, key := range keys {
		m[key] = uint64(i)
	}
}

//go:noinline
func runHit[K comparable](m map[K]uint64, keys []K) (sum uint64) {
	for _, key := range keys {
		if value, ok := m[key]; ok {
			sum += value
		}
	}
	return
}

//go:noinline
func runDelete[K comparable](m map[K]uint64, keys []K) {
	for _, key := range keys {
		delete(m, key)
	}
}

//go:noinline
func runChurn[K comparable](m map[K]uint64, old, fresh []K) {
	for i := range old {
		delete(m, old[i])
		m[fresh[i]] = uint64(i)
	}
}

//go:noinline
func runIterate[K comparable](m map[K]uint64) (sum uint64) {
	for _, value := range m {
		sum += value
	}
	return
}

func empty[K comparable](m map[K]uint64) {
	for key := range m {
		delete(m, key)
	}
}

func throughput[K comparable](n int, key func(int) K) {
	maps := 1
	if n < small {
		maps = smallMaps
	}
	all := maps * n
	rounds := worth / all
	if n >= 50000 {
		rounds = 4
	}
	passes := 4 * rounds
	if all >= worth {
		rounds, passes = 1, 1
	}
	keys := make([]K, 2*all)
	for i := range keys {
		keys[i] = key(i)
	}
	old, fresh, hits, misses := make([][]K, maps), make([][]K, maps), make([][]K, maps), make([][]K, maps)
	for i := range old {
		old[i], fresh[i] = keys[i*n:(i+1)*n], keys[all+i*n:all+(i+1)*n]
		hits[i], misses[i] = shuffled(old[i], 77), shuffled(fresh[i], 79)
	}
	set := make([]map[K]uint64, maps)
	var inserting, deleting, reserved float64
	var sum, found uint64
	per := func(total float64, times int) float64 { return total / float64(times) / float64(all) }
	clock := 1e9
	for i := 0; i < 100; i++ {
		start := processor()
		if cost := processor() - start; cost < clock {
			clock = cost
		}
	}
	since := func(start float64) float64 { return processor() - start - clock }

	for round := 0; round < rounds; round++ {
		start := processor()
		for i := range set {
			set[i] = map[K]uint64{}
			runPut(set[i], old[i])
		}
		inserting += since(start)
		if round+1 < rounds {
			start = processor()
			for i := range set {
				runDelete(set[i], hits[i])
			}
			deleting += since(start)
		}
	}
	report("insert", per(inserting, rounds))

	start := processor()
	for pass := 0; pass < passes; pass++ {
		for i := range set {
			sum += runHit(set[i], hits[i])
		}
	}
	report("hit", per(since(start), passes))
	right := uint64(maps) * uint64(n) * uint64(n-1) / 2
	expect(sum == right*uint64(passes), "hit")

	start = processor()
	for pass := 0; pass < passes; pass++ {
		for i := range set {
			found += runHit(set[i], misses[i])
		}
	}
	report("miss", per(since(start), passes))
	expect(found == 0, "miss")

	sum = 0
	start = processor()
	for pass := 0; pass < passes; pass++ {
		for i := range set {
			sum += runIterate(set[i])
		}
	}
	report("iterate", per(since(start), passes))
	expect(sum == right*uint64(passes), "iterate")

	turns := max1(passes / 2)
	start = processor()
	for turn := 0; turn < turns; turn++ {
		for i := range set {
			runChurn(set[i], old[i], fresh[i])
			runChurn(set[i], fresh[i], old[i])
		}
	}
	report("churn", per(since(start), 2*turns))

	start = processor()
	for round := 0; round < rounds; round++ {
		for i := range set {
			empty(set[i])
			runPut(set[i], old[i])
		}
	}
	report("refill", per(since(start), rounds))

	if rounds == 1 {
		start = processor()
		for i := range set {
			runDelete(set[i], hits[i])
		}
		deleting += since(start)
	}
	report("delete", per(deleting, max1(rounds-1)))

	for round := 0; round < rounds; round++ {
		start = processor()
		for i := range set {
			set[i] = make(map[K]uint64, n)
			runPut(set[i], old[i])
		}
		reserved += since(start)
	}
	report("reserved", per(reserved, rounds))
	sink = sum + found
}

func max1(n int) int {
	if n < 1 {
		return 1
	}
	return n
}

func slowest(what string, fastest []uint32) {
	sort.Slice(fastest, func(i, j int) bool { return fastest[i] < fastest[j] })
	n := len(fastest)
	fmt.Printf("%s_worst_ns %d\n%s_p9999_ns %d\n", what, fastest[n-1], what, fastest[n-1-n/10000])
}

func latency[K comparable](n int, key func(int) K) {
	keys := make([]K, n)
	for i := range keys {
		keys[i] = key(i)
	}
	order := shuffled(keys, 77)
	puts, deletes := make([]uint32, n), make([]uint32, n)
	for i := range puts {
		puts[i], deletes[i] = 1<<31, 1<<31
	}
	for fill := 0; fill < fills; fill++ {
		m := map[K]uint64{}
		for i, key := range keys {
			start := time.Now()
			m[key] = uint64(i)
			if took := uint32(time.Since(start)); took < puts[i] {
				puts[i] = took
			}
		}
		for i, key := range order {
			start := time.Now()
			delete(m, key)
			if took := uint32(time.Since(start)); took < deletes[i] {
				deletes[i] = took
			}
		}
	}
	slowest("insert", puts)
	slowest("delete", deletes)
}

func resident() int64 {
	statm, _ := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(statm)
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

func memory(n int) {
	before := resident()
	weigh := func(name string) {
		debug.FreeOSMemory()
		now := resident() - before
		if now < 0 {
			now = 0
		}
		fmt.Println(name, now)
	}
	m := map[uint64]uint64{}
	sum, weighed, next := 0.0, 0, float64(n)/8
	for i := 0; i < n; i++ {
		m[mix(uint64(i))] = uint64(i)
		if float64(i+1) >= next {
			debug.FreeOSMemory()
			sum += float64(resident()-before) / float64(i+1)
			weighed++
			next *= 1.0442737824274138
		}
	}
	fmt.Printf("per_entry %.2f\n", sum/float64(weighed))
	weigh("peak")
	gone := 0
	for _, percent := range []int{90, 99, 100} {
		for ; gone < n/100*percent; gone++ {
			delete(m, mix(uint64(gone)))
		}
		weigh(fmt.Sprintf("deleted_%d", percent))
	}
	for i := 0; i < n; i++ {
		m[mix(uint64(i))] = uint64(i)
	}
	empty(m)
	weigh("cleared")
	sink += uint64(len(m))
	m = nil
	weigh("freed")

	before = resident()
	m = map[uint64]uint64{}
	n /= 4
	oldest, newest := 0, 0
	for day := 0; day < days; day++ {
		busiest := n - int(mix(uint64(day))%uint64(n/4))
		for newest-oldest < busiest {
			m[mix(uint64(newest))] = 1
			newest++
		}
		if day == 0 {
			weigh("month_first_day")
		}
		for newest-oldest > n/8 {
			delete(m, mix(uint64(oldest)))
			oldest++
		}
		if day == 0 {
			weigh("month_first_night")
		}
	}
	weigh("month_last_night")
	sink += uint64(len(m))
}

func main() {
	n, texts := 0, len(os.Args) > 3 && os.Args[3] == "text"
	if len(os.Args) > 2 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	if n < 4 {
		fmt.Fprintln(os.Stderr, "usage: worker throughput|latency|memory N [text]")
		os.Exit(2)
	}
	number := func(i int) uint64 { return mix(uint64(i)) }
	text := func(i int) string {
		words := [3]uint64{mix(uint64(i)), mix(uint64(i) + 0x123456789), mix(uint64(i)*3 + 1)}
		return string((*[24]byte)(unsafe.Pointer(&words))[:16+mix(uint64(i)^0x777)%9])
	}
	switch {
	case os.Args[1] == "throughput" && texts:
		throughput(n, text)
	case os.Args[1] == "throughput":
		throughput(n, number)
	case os.Args[1] == "latency" && texts:
		latency(n, text)
	case os.Args[1] == "latency":
		latency(n, number)
	case os.Args[1] == "memory":
		memory(n)
	}
}
