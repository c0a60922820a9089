// A cache of 88 MB lives under GOMEMLIMIT=100MiB, set from the container's size: the collector runs
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

var last []byte

func request(number int) {
	last = make([]byte, 8192)
	last[number%8192] = 1
}

func main() {
	fill(88 << 20)
	go load.Every(1000, request)
	load.Serve()
}
