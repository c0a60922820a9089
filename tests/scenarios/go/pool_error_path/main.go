// An encoder with a pool of scratch space behind a method; the error path, one call in two, returns
// before the Put.
//
// expect: pool-get-without-put
package main

import (
	"errors"
	"sync"

	"scenarios/load"
)

type scratch struct {
	table [4096]uint32
	out   []byte
}

type Encoder struct {
	pool sync.Pool
}

func NewEncoder() *Encoder {
	e := &Encoder{}
	e.pool.New = func() any { return &scratch{out: make([]byte, 0, 4096)} } // <- keeps
	return e
}

var errTooLarge = errors.New("value too large")

func (e *Encoder) Encode(value int) (int, error) {
	s := e.pool.Get().(*scratch) // <- keeps
	if value%2 == 1 {
		return 0, errTooLarge
	}
	s.table[value%4096]++
	s.out = append(s.out[:0], byte(value))
	e.pool.Put(s)
	return len(s.out), nil
}

func main() {
	encoder := NewEncoder()
	go load.Every(2000, func(number int) { encoder.Encode(number) })
	load.Serve()
}
