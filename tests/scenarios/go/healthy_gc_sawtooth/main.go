// Plenty of garbage and a heap of 20 MB: HeapAlloc climbs between collections and falls at each, as
// GOGC=100 wants it.
//
// expect: healthy
package main

import "scenarios/load"

type node struct {
	next  *node
	bytes [96]byte
}

func chain(n int) *node {
	var head *node
	for i := 0; i < n; i++ {
		head = &node{next: head}
	}
	return head
}

var (
	base = chain(200000)
	last *node
)

func main() {
	go load.Every(1500, func(int) { last = chain(100) })
	load.Serve()
}
