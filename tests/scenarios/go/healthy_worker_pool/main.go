// A pool of fifty goroutines works off jobs; 200 connections stay open, each with a goroutine that
// waits for its next message.
//
// expect: healthy
package main

import (
	"time"

	"scenarios/load"
)

type job struct {
	input  []byte
	answer chan int
}

func worker(jobs <-chan job) {
	for j := range jobs {
		time.Sleep(2 * time.Millisecond)
		j.answer <- len(j.input)
	}
}

func connection(in <-chan []byte, jobs chan<- job) {
	answer := make(chan int)
	for message := range in {
		jobs <- job{message, answer}
		<-answer
	}
}

func main() {
	jobs := make(chan job)
	for i := 0; i < 50; i++ {
		go worker(jobs)
	}
	connections := make([]chan []byte, 200)
	for i := range connections {
		connections[i] = make(chan []byte, 4)
		go connection(connections[i], jobs)
	}
	go load.Every(2000, func(number int) {
		connections[load.Random(number)%200] <- make([]byte, 100+number%2000)
	})
	load.Serve()
}
