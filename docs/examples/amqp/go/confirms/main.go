// Confirms: the broker says which messages it has taken, and returns those that no queue wanted.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"duolog.example/amqp/internal/broker"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	connection, channel := broker.Connect()
	defer connection.Close()
	_, err := channel.QueueDeclare("example.confirmed", true, false, false, false, nil)
	broker.Must(err)
	broker.Must(channel.Confirm(false))
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	// All are sent at once and then waited for; a confirmed persistent message is on disk.
	confirmations := []*amqp.DeferredConfirmation{}
	for number := 0; number < 20; number++ {
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(fmt.Sprint(number))}
		confirmation, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", "example.confirmed", false, false, message)
		broker.Must(err)
		confirmations = append(confirmations, confirmation)
	}
	for number, confirmation := range confirmations {
		if acked, err := confirmation.WaitContext(ctx); err != nil || !acked {
			log.Fatalf("message %d was not confirmed: %v", number, err)
		}
	}

	// A mandatory message for no queue comes back before it is confirmed.
	confirmation, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", "example.nowhere", true, false, amqp.Publishing{Body: []byte("lost")})
	broker.Must(err)
	_, err = confirmation.WaitContext(ctx)
	broker.Must(err)
	if returned := <-returns; string(returned.Body) != "lost" || returned.ReplyCode != amqp.NoRoute {
		log.Fatalf("returned: %v", returned)
	}
	fmt.Println("20 messages confirmed, the one for nobody came back")

	_, err = channel.QueueDelete("example.confirmed", false, false, false)
	broker.Must(err)
}
