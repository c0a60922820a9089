// A generic memoising helper, used through a closure: prices are memoised by article, amount and the
// time of the question.
//
// expect: unbounded-map
package main

import (
	"time"

	"scenarios/load"
)

type store[K comparable, V any] struct {
	values map[K]V
}

func (s *store[K, V]) put(key K, value V) V {
	s.values[key] = value // <- keeps
	return value
}

func memoize[K comparable, V any](compute func(K) V) func(K) V {
	s := &store[K, V]{values: make(map[K]V)}
	return func(key K) V {
		if value, ok := s.values[key]; ok {
			return value
		}
		return s.put(key, compute(key))
	}
}

type question struct {
	article, amount int
	at              time.Time
}

type price struct {
	net, gross float64
	currency   [8]byte
}

var priceOf = memoize(func(q question) price {
	net := float64(q.article%1000) * float64(q.amount)
	return price{net: net, gross: net * 1.19}
})

func order(number int) {
	priceOf(question{number % 3000, number%9 + 1, time.Now()})
}

func main() {
	go load.Every(12000, order)
	load.Serve()
}
