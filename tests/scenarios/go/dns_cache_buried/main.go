// A proxy that copies 30 MB/s of bodies through fresh buffers, with a cache of host names beside it
// that has no expiry: 300 KB/s, a hundredth.
//
// expect: unbounded-map
// window: 45
package main

import (
	"bytes"
	"fmt"
	"sync"

	"scenarios/load"
)

type host struct {
	name      string
	addresses [][]byte
}

type resolver struct {
	sync.Mutex
	hosts map[string]*host
}

func lookup(name string) [][]byte {
	return [][]byte{{192, 0, 2, byte(len(name))}}
}

func (r *resolver) resolve(name string) *host {
	r.Lock()
	defer r.Unlock()
	if h := r.hosts[name]; h != nil {
		return h
	}
	h := &host{name: name, addresses: lookup(name)} // <- keeps
	r.hosts[name] = h                               // <- keeps
	return h
}

var names = &resolver{hosts: make(map[string]*host)}

func transfer(number int) {
	body := make([]byte, 8192+load.Random(number)%16384)
	var out bytes.Buffer
	out.Grow(len(body))
	out.Write(body)
}

func main() {
	go load.Every(930, transfer)
	go load.Every(1100, func(number int) {
		names.resolve(fmt.Sprintf("shard-%d.tenant-%d.example.net", number, number%91))
	})
	load.Serve()
}
