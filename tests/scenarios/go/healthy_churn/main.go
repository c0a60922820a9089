// Constant churn: sessions of all sizes come and go at random, 40 000 of them at any time, 15 MB/s.
//
// expect: healthy
package main

import (
	"sync"
	"time"

	"scenarios/load"
)

type session struct {
	token  string
	basket []byte
	began  time.Time
}

type store struct {
	sync.Mutex
	seats map[uint64]*session
}

func (s *store) visit(number int) {
	fresh := &session{basket: make([]byte, load.Random(-number)%1500), began: time.Now()}
	s.Lock()
	defer s.Unlock()
	s.seats[load.Random(number)%40000] = fresh
	if number%5 == 0 {
		delete(s.seats, load.Random(number*3)%40000)
	}
}

func main() {
	s := &store{seats: map[uint64]*session{}}
	go load.Every(18000, s.visit)
	load.Serve()
}
