// Somebody set GOGC to 2 to save memory. The service has 60 MB of live pointers and allocates 20 MB/s,
// so that it marks them many times a second.
//
// expect: gc-thrash
package main

import (
	"runtime/debug"

	"scenarios/load"
)

type node struct {
	left, right *node
	payload     [6]int
}

func tree(depth int) *node {
	if depth == 0 {
		return nil
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

var (
	index *node
	sink  []byte
)

func request(number int) {
	sink = make([]byte, 4096)
	sink[number%4096] = 1
}

func main() {
	debug.SetGCPercent(2)
	index = tree(20)
	go load.Every(5000, request)
	load.Serve()
}
