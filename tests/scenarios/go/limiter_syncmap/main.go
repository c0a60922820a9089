// A rate limiter stores a token bucket per client address in a sync.Map and never removes one.
//
// expect: unbounded-map
package main

import (
	"fmt"
	"sync"
	"time"

	"scenarios/load"
)

type bucket struct {
	mu     sync.Mutex
	tokens float64
	last   time.Time
}

type Limiter struct {
	clients sync.Map
}

func (l *Limiter) Allow(address string) bool {
	value, ok := l.clients.Load(address)
	if !ok {
		fresh := &bucket{tokens: 10, last: time.Now()}   // <- keeps
		value, _ = l.clients.LoadOrStore(address, fresh) // <- keeps
	}
	b := value.(*bucket)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens--
	return b.tokens > 0
}

var limiter Limiter

func request(number int) {
	limiter.Allow(fmt.Sprintf("2001:db8:%x::%x", number%65536, load.Random(number)>>40))
}

func main() {
	go load.Every(6000, request)
	load.Serve()
}
