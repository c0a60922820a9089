// L10 in Go: see lab/reuse_in_loop.c. Prints `row<TAB>value`.
package main

import (
	"fmt"
	"runtime"
	"time"
)

const rounds, entries = 100000, 10

var sink map[uint64]uint64

func putAll(m map[uint64]uint64) {
	for key := uint64(0); key < entries; key++ {
		m[key] = key
	}
	sink = m
}

func makeEachTime() {
	for i := 0; i < rounds; i++ {
		putAll(make(map[uint64]uint64))
	}
}

func makeOnce() {
	m := make(map[uint64]uint64)
	for i := 0; i < rounds; i++ {
		putAll(m)
		for key := range m { // the compiler makes one call of it
			delete(m, key)
		}
	}
}

func measure(memory, spent string, work func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	least := time.Duration(0)
	for round := 0; round < 7; round++ {
		start := time.Now()
		work()
		if took := time.Since(start); round == 0 || took < least {
			least = took
		}
	}
	fmt.Printf("%s\t%f\n%s\t%f\n", memory, float64(after.TotalAlloc-before.TotalAlloc)/1e6, spent, float64(least.Nanoseconds())/1e6)
}

func main() {
	measure("made 100 000 times: memory taken", "made 100 000 times: time", makeEachTime)
	measure("made once: memory taken", "made once: time", makeOnce)
}
