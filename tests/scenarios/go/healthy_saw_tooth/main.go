// Orders are gathered in a map and written in batches: memory climbs for three seconds, falls to
// nothing, and climbs again.
//
// expect: healthy
// quick: 18
package main

import "scenarios/load"

type order struct {
	id   int
	note []byte
}

type batcher struct {
	orders map[int]*order
	sent   int
}

func (b *batcher) add(number int) {
	b.orders[number] = &order{number, make([]byte, 200+load.Random(number)%400)}
	if len(b.orders) >= 24000 {
		b.sent += len(b.orders)
		b.orders = make(map[int]*order)
	}
}

func main() {
	b := &batcher{orders: make(map[int]*order)}
	go load.Every(8000, b.add)
	load.Serve()
}
