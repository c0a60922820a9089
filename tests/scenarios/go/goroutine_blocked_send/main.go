// A search fans out with a time-out; when the time-out comes first nobody receives from the unbuffered
// channel any more, and the worker blocks in its send for ever.
//
// expect: goroutine-leak
// quick: 8
package main

import (
	"time"

	"scenarios/load"
)

type result struct {
	hits []string
}

func query(number int) result {
	if number%4 == 0 {
		time.Sleep(30 * time.Millisecond) // slow today
	}
	return result{hits: []string{"a", "b"}}
}

func search(number int) (result, bool) {
	results := make(chan result)
	go func() {
		results <- query(number) // <- keeps
	}()
	select {
	case r := <-results:
		return r, true
	case <-time.After(10 * time.Millisecond):
		return result{}, false
	}
}

func main() {
	go load.Every(60, func(number int) { search(number) })
	load.Serve()
}
