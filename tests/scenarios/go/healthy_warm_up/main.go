// A cache of all 60 000 exchange rates, each fetched when first asked for. Within some ten seconds all
// are there; the last ones come slowly.
//
// expect: healthy
package main

import (
	"fmt"
	"strings"
	"sync"

	"scenarios/load"
)

type rates struct {
	mu    sync.RWMutex
	pairs map[string]string
}

func (r *rates) of(pair string) string {
	r.mu.RLock()
	value, ok := r.pairs[pair]
	r.mu.RUnlock()
	if ok {
		return value
	}
	value = strings.Repeat("1", 120)
	r.mu.Lock()
	r.pairs[pair] = value
	r.mu.Unlock()
	return value
}

func main() {
	r := &rates{pairs: map[string]string{}}
	go load.Every(20000, func(number int) {
		r.of(fmt.Sprintf("pair/%d/mid-market", load.Random(number)%60000))
	})
	load.Serve()
}
