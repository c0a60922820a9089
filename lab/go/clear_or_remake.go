// L7 in Go: see lab/clear_or_remake.c. Prints `row<TAB>value`.
package main

import (
	"fmt"
	"time"
)

const maps = 100

var sink any

func best(prepare, work func(), times int) float64 {
	least := 0.0
	for round := 0; round < 7; round++ {
		prepare()
		start := time.Now()
		for i := 0; i < times; i++ {
			work()
		}
		each := float64(time.Since(start).Nanoseconds()) / float64(times)
		if round == 0 || each < least {
			least = each
		}
	}
	return least
}

func withMaps(entries int, work func(m *map[uint64]uint64)) float64 {
	var all [maps]map[uint64]uint64
	next := 0
	for i := range all {
		all[i] = make(map[uint64]uint64)
	}
	return best(func() {
		for i := range all {
			for key := 0; key < entries; key++ {
				all[i][uint64(key)] = uint64(key)
			}
		}
		next = 0
	}, func() {
		work(&all[next])
		next++
	}, maps)
}

func main() {
	nothing := func() {}
	for _, entries := range []int{4, 2048} {
		fmt.Printf("map of %d entries: clear\t%f\n", entries, withMaps(entries, func(m *map[uint64]uint64) {
			for key := range *m { // the compiler makes one call of it
				delete(*m, key)
			}
		}))
		fmt.Printf("map of %d entries: make anew\t%f\n", entries, withMaps(entries, func(m *map[uint64]uint64) {
			*m = make(map[uint64]uint64, entries)
		}))
	}
	numbers := make([]int, 10000)
	fmt.Printf("10 000 integers: zero\t%f\n", best(nothing, func() {
		for i := range numbers {
			numbers[i] = 0
		}
	}, 200))
	fmt.Printf("10 000 integers: make anew\t%f\n", best(nothing, func() { numbers = make([]int, 10000) }, 200))
	bytes := make([]byte, 1<<20)
	fmt.Printf("1 MB of bytes: zero\t%f\n", best(nothing, func() {
		for i := range bytes {
			bytes[i] = 0
		}
	}, 200))
	fmt.Printf("1 MB of bytes: make anew\t%f\n", best(nothing, func() { bytes = make([]byte, 1<<20); sink = bytes }, 200))
	sink = numbers
}
