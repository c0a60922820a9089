// A cache of 90 MB lives under GOMEMLIMIT=100MiB, set from the container's size: the collector runs
// all the time to keep a modest amount of garbage below it.
//
// expect: gc-thrash
// env: GOMEMLIMIT=100MiB
package main

import "scenarios/load"

type entry struct {
	next  *entry
	key   [16]byte
	value [64]byte
}

var table [4096]*entry

func fill(bytes int) {
	for i := 0; i < bytes/96; i++ {
		table[i%4096] = &entry{next: table[i%4096]}
	}
}

var total int

func request(number int) {
	body := make([]byte, 8192)
	body[number%8192] = 1
	total += len(body)
}

func main() {
	fill(90 << 20)
	go load.Every(1000, request)
	load.Serve()
}
