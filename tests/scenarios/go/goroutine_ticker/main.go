// Every subscription starts a goroutine with a ticker that refreshes it. Cancelling the subscription
// forgets to cancel the context.
//
// expect: goroutine-leak
package main

import (
	"context"
	"sync/atomic"
	"time"

	"scenarios/load"
)

type subscription struct {
	topic     string
	refreshed int64
	cancel    context.CancelFunc
}

func (s *subscription) refresh(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select { // <- keeps
		case <-ticker.C:
			atomic.AddInt64(&s.refreshed, 1)
		case <-ctx.Done():
			return
		}
	}
}

func subscribe(topic string) *subscription {
	ctx, cancel := context.WithCancel(context.Background())
	s := &subscription{topic: topic, cancel: cancel}
	go s.refresh(ctx)
	return s
}

func main() {
	go load.Every(12, func(number int) {
		s := subscribe("prices")
		if number%3 == 0 {
			s.cancel()
		}
	})
	load.Serve()
}
