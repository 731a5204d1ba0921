// Publish/subscribe: every subscriber gets every message.
package main

import (
	"fmt"
	"log"

	"duolog.example/amqp/internal/broker"
)

func main() {
	connection, channel := broker.Connect()
	defer connection.Close()
	broker.Must(channel.ExchangeDeclare("example.news", "fanout", false, false, false, false, nil))

	// Each subscriber has a queue of its own.
	queues := []string{broker.Queue(channel), broker.Queue(channel)}
	for _, queue := range queues {
		broker.Must(channel.QueueBind(queue, "", "example.news", false, nil))
	}

	broker.Send(channel, "example.news", "", "It works")

	for _, queue := range queues {
		if texts := broker.Received(channel, queue); fmt.Sprint(texts) != "[It works]" {
			log.Fatalf("got %v", texts)
		}
	}
	fmt.Println("both subscribers have the news")
	broker.Must(channel.ExchangeDelete("example.news", false, false))
}
