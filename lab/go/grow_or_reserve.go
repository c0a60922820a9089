// L15 in Go: see lab/grow_or_reserve.c. Prints `row<TAB>value`. What Go holds at one time cannot be
// seen from within; all that it took until the end is the next best, because nothing is freed before
// the next collection.
package main

import (
	"fmt"
	"runtime"
)

const entries = 1000

var sink map[uint64]uint64

func taken(room int) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m := make(map[uint64]uint64, room)
	for key := uint64(0); key < entries; key++ {
		m[key] = key
	}
	runtime.ReadMemStats(&after)
	sink = m
	return float64(after.TotalAlloc - before.TotalAlloc)
}

func main() {
	grown, reserved := taken(8), taken(1024)
	fmt.Printf("grown from nothing: peak\t%f\n", grown/reserved)
	fmt.Printf("room for 1024 at once: peak\t%f\n", 1.0)
}
