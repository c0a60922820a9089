// A service loads a snapshot of two million small records, keeps one in forty, and drops the rest. The
// survivors are scattered over all spans, so hardly a page is free.
//
// expect: fragmentation
// window: 30
package main

import "scenarios/load"

type record struct {
	id   int
	text [100]byte
}

var kept []*record

func loadSnapshot(n int) []*record {
	all := make([]*record, 0, n)
	for i := 0; i < n; i++ {
		all = append(all, &record{id: i})
	}
	return all
}

func sift(all []*record) {
	for i := 0; i < len(all); i += 40 {
		kept = append(kept, all[i])
	}
}

func main() {
	go load.Every(10, func(number int) {
		if number == 30 {
			sift(loadSnapshot(2000000))
		}
	})
	load.Serve()
}
