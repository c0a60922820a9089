// A monitor appends every measurement to a slice of structs through a method value; the consumer
// keeps an offset into it and never cuts it.
//
// expect: growing-slice
package main

import (
	"sync"
	"time"

	"scenarios/load"
)

type sample struct {
	at    int64
	value float64
	host  uint32
}

type monitor struct {
	mu      sync.Mutex
	samples []sample
	read    int
}

func (m *monitor) observe(host uint32, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, sample{time.Now().UnixNano(), value, host}) // <- keeps
}

func (m *monitor) consume() (sum float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.read < len(m.samples); m.read++ {
		sum += m.samples[m.read].value
	}
	return sum
}

func main() {
	m := &monitor{}
	go load.Every(60000, func(number int) { m.observe(uint32(number%200), 0.5) })
	go load.Every(1, func(int) { m.consume() })
	load.Serve()
}
