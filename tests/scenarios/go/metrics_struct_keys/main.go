// A metrics package keeps a histogram per (route, status, minute) in a map with struct keys behind an
// interface. The time stamp in the key was meant to be cut to the minute.
//
// expect: unbounded-map
// window: 40
package main

import (
	"time"

	"scenarios/load"
)

type key struct {
	route  string
	status int
	at     int64
}

type histogram struct {
	count   uint64
	buckets [12]uint32
}

type recorder interface {
	record(route string, status int, took time.Duration)
}

type registry struct {
	series map[key]histogram
}

func (r *registry) record(route string, status int, took time.Duration) {
	k := key{route, status, time.Now().UnixNano()}
	h := r.series[k]
	h.count++
	h.buckets[int(took/time.Millisecond)%12]++
	r.series[k] = h // <- keeps
}

var metrics recorder = &registry{series: map[key]histogram{}}

func request(number int) {
	metrics.record("/api/orders", 200+number%3, time.Duration(number%11)*time.Millisecond)
}

func main() {
	go load.Every(2500, request)
	load.Serve()
}
